package import CProtocol

extension Xfer {
    /// PUBLISH: commits a file that was written under a temporary name, sets its attributes, and gives it its final name.
    package enum Publish: XferProcedure {
        package struct Arguments: Hashable, Sendable {
            package var directory: FileHandle
            package var file: FileHandle
            /// Names in the directory.
            package var temporary: FileName
            package var name: FileName
            /// Without a size.
            package var attributes: SetAttributes
            package var existing: Existing
            /// What all WRITEs were answered with; nil: nothing is compared.
            package var expected: NFS.Verifier?
            /// Data, attributes and name are on disk before the reply.
            package var synchronize: Bool

            package init(
                _ directory: FileHandle, file: FileHandle, temporary: FileName, name: FileName,
                attributes: SetAttributes, existing: Existing = .replace, expected: NFS.Verifier?,
                synchronize: Bool = true
            ) {
                self.directory = directory
                self.file = file
                self.temporary = temporary
                self.name = name
                self.attributes = attributes
                self.existing = existing
                self.expected = expected
                self.synchronize = synchronize
            }
        }

        package struct Success: Hashable, Sendable {
            package var attributes: FileAttributes?
            package var directory: WeakCacheData
            /// The write verifier.
            package var verifier: NFS.Verifier

            package init(attributes: FileAttributes?, directory: WeakCacheData, verifier: NFS.Verifier) {
                self.attributes = attributes
                self.directory = directory
                self.verifier = verifier
            }
        }

        package struct Failure: Hashable, Sendable {
            package var directory: WeakCacheData
            /// The write verifier: what was written under another one is to be written again.
            package var verifier: NFS.Verifier

            package init(directory: WeakCacheData, verifier: NFS.Verifier) {
                self.directory = directory
                self.verifier = verifier
            }
        }

        package static let number = ProcedureNumber.publish
    }
}

extension Xfer.Publish.Arguments: XDRValue {
    package static var routine: XDRRoutine<PUBLISHargs> { xdr_PUBLISHargs }

    package init(_ wire: PUBLISHargs) {
        self.init(
            FileHandle(wire.dir), file: FileHandle(wire.file), temporary: FileName(wire: wire.temporary),
            name: FileName(wire: wire.name), attributes: SetAttributes(wire.attributes),
            // A number that means nothing replaces nothing.
            existing: Xfer.Existing(rawValue: wire.how.rawValue) ?? .keep,
            expected: wire.expected.check != 0 ? NFS.Verifier(verifier: wire.expected.xferverf_u.verf) : nil,
            synchronize: wire.synchronize != 0)
    }

    package func wire(_ arena: XDRArena) -> PUBLISHargs {
        var wire = PUBLISHargs()
        wire.dir = directory.wire(arena)
        wire.file = file.wire(arena)
        wire.temporary = temporary.name(arena)
        wire.name = name.name(arena)
        wire.attributes = attributes.wire
        wire.how = xferhow(existing.rawValue)
        if let expected {
            wire.expected.check = 1
            wire.expected.xferverf_u.verf = expected.verifier
        }
        wire.synchronize = synchronize ? 1 : 0
        return wire
    }
}

extension Xfer.Publish {
    package static var resultsRoutine: XDRRoutine<PUBLISHres> { xdr_PUBLISHres }
    package static var noResults: PUBLISHres { PUBLISHres() }

    package static func reply(_ wire: PUBLISHres) -> Reply {
        guard wire.status == NFS3_OK else {
            let resfail = wire.PUBLISHres_u.resfail
            return .failure(
                NFSStatus(wire.status),
                Failure(
                    directory: WeakCacheData(resfail.dir_wcc), verifier: NFS.Verifier(verifier: resfail.verf)))
        }
        let resok = wire.PUBLISHres_u.resok
        return .success(
            Success(
                attributes: FileAttributes?(resok.file_attributes), directory: WeakCacheData(resok.dir_wcc),
                verifier: NFS.Verifier(verifier: resok.verf)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> PUBLISHres {
        var wire = PUBLISHres()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.PUBLISHres_u.resok.file_attributes = success.attributes.wire
            wire.PUBLISHres_u.resok.dir_wcc = success.directory.wire
            wire.PUBLISHres_u.resok.verf = success.verifier.verifier
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.PUBLISHres_u.resfail.dir_wcc = failure.directory.wire
            wire.PUBLISHres_u.resfail.verf = failure.verifier.verifier
        }
        return wire
    }
}
