// swift-tools-version: 6.2
import PackageDescription

/// Swift 6 language mode everywhere (the tools version's default), plus the upcoming features the project holds itself
/// to. Warnings are errors where TLSD_WERROR is set: in CI, not on the machine of somebody with a newer compiler.
let strict: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (Context.environment["TLSD_WERROR"] == nil ? [] : [.treatAllWarnings(as: .error)])

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "tlsd",
    products: [
        .executable(name: "xfer", targets: ["xfer"]),
        .executable(name: "xferd", targets: ["xferd"]),
        .executable(name: "tlscd", targets: ["tlscd"]),
        .executable(name: "tlssd", targets: ["tlssd"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // C: what the kernel, libtirpc and OpenSSL offer
        .target(name: "CLinux"),
        .systemLibrary(
            name: "CTirpc", path: "Sources/CTirpc", pkgConfig: "libtirpc", providers: [.apt(["libtirpc-dev"])]),
        .systemLibrary(
            name: "CCrypto", path: "Sources/CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "COpenSSL", path: "Sources/COpenSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CXXHash", path: "Sources/CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .target(name: "CWideGCM", dependencies: ["CCrypto"]),
        .target(
            name: "CProtocol", dependencies: ["CTirpc"], path: "Protocol",
            exclude: ["README.md", "generate", "tlshandshake.x", "tlscd.x", "tlssd.x", "nfs3.x", "mount3.x", "xfer.x"]),

        .target(name: "CUpcall", dependencies: ["CProtocol", "CTirpc"]),
        .target(name: "CRpcbind", dependencies: ["CTirpc"]),

        // The engine, lowest first; an arrow never points back up
        .target(name: "Kernel", dependencies: ["CLinux", system], swiftSettings: strict),
        .target(
            name: "SecureChannel", dependencies: ["Kernel", "CLinux", "CCrypto", "CWideGCM"], swiftSettings: strict),
        .target(name: "RPC", dependencies: ["SecureChannel", "Kernel", "CProtocol", log], swiftSettings: strict),
        .target(name: "NFS", dependencies: ["RPC", "Kernel", "CProtocol", "CLinux", system], swiftSettings: strict),
        .target(
            name: "Handshake", dependencies: ["RPC", "SecureChannel", "Kernel", "CProtocol", "CUpcall", log],
            swiftSettings: strict),
        .target(
            name: "Checksums", dependencies: ["Kernel", "CXXHash", "CCrypto", system], swiftSettings: strict),
        .target(
            name: "FileServer",
            dependencies: [
                "Checksums", "NFS", "RPC", "Handshake", "SecureChannel", "Kernel", "CLinux", "CCrypto", "CProtocol",
                "CRpcbind", log, system,
            ],
            swiftSettings: strict),
        .target(
            name: "Transfer",
            dependencies: ["Checksums", "NFS", "RPC", "Handshake", "SecureChannel", "Kernel", "CLinux", log, system],
            swiftSettings: strict),
        // Bulk copies that outlive the process: their state in SQLite
        .target(
            name: "Jobs",
            dependencies: [
                "Transfer", "NFS", "Handshake", "Kernel", "CLinux", .product(name: "GRDB", package: "GRDB.swift"),
                system,
            ],
            swiftSettings: strict),

        // Private keys and certificates: the daemons (and the certificate commands) alone
        .target(name: "Certificates", dependencies: ["CCrypto", "Kernel", system], swiftSettings: strict),
        .target(
            name: "TLS", dependencies: ["COpenSSL", "Certificates", "Handshake", "SecureChannel", "Kernel", system],
            swiftSettings: strict),

        // Programs
        .target(
            name: "Daemon", dependencies: ["Kernel", "CLinux", argumentParser, log, system], swiftSettings: strict),
        .target(
            name: "HandshakeProgram",
            dependencies: [
                "Daemon", "TLS", "Certificates", "Handshake", "SecureChannel", "Kernel", argumentParser, log, system,
            ],
            path: "Daemons/handshake", swiftSettings: strict),
        .executableTarget(
            name: "tlscd", dependencies: ["HandshakeProgram", "SecureChannel", argumentParser], path: "Daemons/tlscd",
            exclude: ["tlscd.service", "tlscd.default"], swiftSettings: strict),
        .executableTarget(
            name: "tlssd", dependencies: ["HandshakeProgram", "SecureChannel", argumentParser], path: "Daemons/tlssd",
            exclude: ["tlssd.service", "tlssd.default"], swiftSettings: strict),
        .executableTarget(
            name: "xferd",
            dependencies: ["Daemon", "FileServer", "Handshake", "RPC", "SecureChannel", "Kernel", argumentParser, log],
            path: "Daemons/xferd",
            exclude: ["xferd.service", "xferd.default", "exports.sample"], swiftSettings: strict),
        .executableTarget(
            name: "xfer",
            dependencies: [
                "Jobs", "Transfer", "NFS", "Handshake", "SecureChannel", "Certificates", "Kernel", argumentParser, log,
            ], swiftSettings: strict),

        // Manual pages, made of the programs' help and README.md
        .executableTarget(name: "manual", dependencies: [argumentParser], swiftSettings: strict),

        // Measures them beside other tools
        .executableTarget(
            name: "bench",
            dependencies: [
                "TestSupport", "Transfer", "Handshake", "NFS", "RPC", "SecureChannel", "Kernel", "CLinux",
                argumentParser,
            ],
            path: "Tests/Benchmarks", swiftSettings: strict),

        // Tests: a folder for each target
        .testTarget(
            name: "NFSTests", dependencies: ["TestSupport", "NFS", "RPC", "Kernel", "CProtocol", system],
            swiftSettings: strict),
        .testTarget(
            name: "FileServerTests",
            dependencies: [
                "TestSupport", "FileServer", "Checksums", "NFS", "RPC", "Kernel", "CLinux", "CProtocol", log, system,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CertificatesTests", dependencies: ["TestSupport", "Certificates", "CCrypto", "Kernel"],
            swiftSettings: strict),
        .testTarget(
            name: "TLSTests",
            dependencies: [
                "TestSupport", "TLS", "COpenSSL", "Certificates", "Handshake", "SecureChannel", "Kernel", system,
            ], swiftSettings: strict),

        // Tests/TestSupport is what tests share
        .target(
            name: "TestSupport", dependencies: ["SecureChannel", "Kernel", "CLinux", "CCrypto"],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(
            name: "KernelTests", dependencies: ["TestSupport", "Kernel", "CLinux", system], swiftSettings: strict),
        .testTarget(
            name: "SecureChannelTests",
            dependencies: [
                "TestSupport", "SecureChannel", "Kernel", "CLinux", "CCrypto", "COpenSSL", "CWideGCM", system,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "RPCTests",
            dependencies: ["TestSupport", "RPC", "SecureChannel", "Kernel", "CProtocol", log, system],
            swiftSettings: strict),
        .testTarget(
            name: "HandshakeTests",
            dependencies: [
                "TestSupport", "Handshake", "TLS", "Certificates", "COpenSSL", "RPC", "SecureChannel", "Kernel", log,
                system,
            ], swiftSettings: strict),

        .testTarget(
            name: "ChecksumsTests", dependencies: ["TestSupport", "Checksums", "Kernel"], swiftSettings: strict),
        .testTarget(
            name: "JobsTests",
            dependencies: [
                "TestSupport", "Jobs", "Transfer", "Kernel", .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: strict),

        // Tests of whole programs, and of what needs no server
        .testTarget(
            name: "TransferTests",
            dependencies: [
                "TestSupport", "Checksums", "Transfer", "NFS", "RPC", "Handshake", "TLS", "Certificates",
                "SecureChannel", "xfer", "Kernel", "CProtocol", argumentParser, log, system,
            ], swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "TestSupport", "Certificates", "Checksums", "Transfer", "NFS", "Handshake", "RPC", "SecureChannel",
                "Kernel",
                "xfer", "xferd", "tlscd", "tlssd", "manual",
            ],
            path: "Tests/EndToEnd", exclude: ["Captures"], swiftSettings: strict),

        // The operating systems' own clients and tools as peers
        .executableTarget(
            name: "mount-worker", dependencies: ["TestSupport"], path: "Tests/MountWorker", swiftSettings: strict),
        .testTarget(
            name: "InteropTests",
            dependencies: [
                "TestSupport", "Certificates", "SecureChannel", "Kernel", "CLinux", "xferd", "tlssd", "xfer", "tlscd",
                "mount-worker",
            ],
            path: "Tests/Interop", swiftSettings: strict),
    ]
)
