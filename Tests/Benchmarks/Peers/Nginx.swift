import Glibc
import TestSupport

/// nginx, a worker for each processor, with and without TLS, from which curl fetches and to which it pushes (PUT of
/// WebDAV).
final class Nginx {
    let workspace: Workspace
    let securePort: UInt16
    let plainPort: UInt16
    private let service: Service

    /// - Parameter kernelLayer: has OpenSSL give the keys to the kernel where that can send with them.
    init(_ workspace: Workspace, kernelLayer: Bool = false) throws {
        self.workspace = workspace
        (securePort, plainPort) = (try Service.freePort(), try Service.freePort())
        let place = workspace.path("nginx")
        mkdir(place, 0o755)
        let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(place)/\($0);" }
        let server = """
            root \(workspace.directory);
            location /drop/ {
                dav_methods PUT;
                create_full_put_path on;
                client_max_body_size 0;
            }
            """
        try write(
            """
            \(geteuid() == 0 ? "user root;" : "")
            daemon off;
            worker_processes auto;
            pid \(place)/pid;
            error_log \(place)/error.log;
            events { worker_connections 512; }
            http {
                access_log off;
                sendfile on;
                keepalive_requests 1000000;
                \(bodies.joined(separator: "\n"))
                server {
                    listen 127.0.0.1:\(securePort) ssl backlog=4096;
                    ssl_certificate \(workspace.serverCertificate);
                    ssl_certificate_key \(workspace.serverKey);
                    ssl_client_certificate \(workspace.anchors);
                    ssl_verify_client optional;
                    ssl_protocols TLSv1.3;
                    ssl_conf_command Ciphersuites \(cipherSuite);
                    \(kernelLayer ? "ssl_conf_command Options KTLS;" : "")
                    \(server)
                }
                server {
                    listen 127.0.0.1:\(plainPort);
                    \(server)
                }
            }

            """, to: "\(place)/nginx.conf")
        service = try Service([
            Self.program, "-p", place, "-e", "\(place)/error.log", "-c", "\(place)/nginx.conf",
        ])
        try service.answers(at: securePort)
    }

    static let program = access("/usr/sbin/nginx", X_OK) == 0 ? "/usr/sbin/nginx" : "nginx"

    var process: pid_t { service.process }

    /// curl as it is to be: with these certificates and this cipher.
    var curl: [String] {
        [
            "curl", "--silent", "--show-error", "--fail", "--tlsv1.3", "--tls13-ciphers", cipherSuite, "--cacert",
            workspace.anchors,
        ]
    }

    /// - Parameter port: of a relay before nginx; nil: nginx's own.
    func url(_ path: String, secure: Bool, port: UInt16? = nil) -> String {
        secure
            ? "https://127.0.0.1:\(port ?? securePort)/\(path)" : "http://127.0.0.1:\(port ?? plainPort)/\(path)"
    }

    func stop() { service.stop() }
}

/// curl with nginx: one file in a run.
final class Curl: Peer {
    let name: String
    let label: String
    private let nginx: Nginx
    private let secure: Bool

    private let port: UInt16?

    init(_ nginx: Nginx, secure: Bool, label: String? = nil, port: UInt16? = nil) {
        (self.nginx, self.secure, self.port) = (nginx, secure, port)
        name = secure ? "curl-tls" : "curl-plain"
        self.label = label ?? (secure ? "curl and nginx, TLS" : "curl and nginx, no TLS")
    }

    var servers: [pid_t] { [nginx.process] }

    func command(_ job: CopyJob) -> [String]? {
        switch job {
        case .fetchLarge:
            nginx.curl + [
                "-o", nginx.workspace.path("copy/file"), nginx.url("served/file", secure: secure, port: port),
            ]
        case .pushLarge:
            nginx.curl + [
                "-T", nginx.workspace.path("served/file"), nginx.url("drop/file", secure: secure, port: port),
            ]
        case .fetchSmall, .pushSmall: nil
        }
    }
}
