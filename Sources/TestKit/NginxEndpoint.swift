import Foundation

/// nginx as an endpoint, with a generated configuration and one process.
///
/// It serves `/` (its name), `/files/NAME`, and `/healthz` (200, or 503 after `failHealth`). Each response carries
/// `X-Endpoint`. The access log has one line a request: status, request line, connection number, forwarding fields.
package final class NginxEndpoint: Sendable {
    /// A line of the access log.
    package struct Access: Sendable {
        package let status: Int
        package let request: String
        /// nginx's serial number of the connection.
        package let connection: String
        package let peer: String
        package let forwardedFor: String
        package let realIP: String
    }

    package let name: String
    package let port: UInt16
    package let host: String
    package var address: String { "\(host):\(port)" }
    /// Files of a certificate: it speaks TLS, HTTP/2 and HTTP/1.1.
    package struct TLS: Sendable {
        let chain: String
        let key: String

        package init(chain: String, key: String) {
            self.chain = chain
            self.key = key
        }
    }
    private let tls: TLS?
    private let directory: TemporaryDirectory
    private let prefix: [String]
    private let process: ProcessBox

    /// - Parameters:
    ///   - host: The IPv4 address to listen on.
    ///   - network: The host (network namespace) it runs on; this one when nil.
    /// - Throws: `TestKitError` with nginx's message when it does not come up.
    package init(
        _ name: String, port: UInt16? = nil, host: String = "127.0.0.1", network: Network.Host? = nil, tls: TLS? = nil
    ) throws {
        self.name = name
        self.tls = tls
        self.port = try port ?? Ports.unused()
        self.host = network?.address ?? host
        directory = try TemporaryDirectory()
        prefix = network?.prefix ?? []
        process = ProcessBox()
        chmod(directory.path, 0o755)
        try directory.write("healthy", to: "healthz/state")
        try directory.write(Data(repeating: UInt8(ascii: "x"), count: 128), to: "files/128")
        try directory.write(configuration, to: "nginx.conf")
        try start()
    }

    private var configuration: String {
        """
        daemon off;
        master_process off;
        pid \(directory.path)/nginx.pid;
        error_log stderr warn;
        worker_rlimit_nofile 16384;
        events { worker_connections 8192; }
        http {
            log_format test '$status|$request|$connection|$remote_addr|$http_x_forwarded_for|$http_x_real_ip';
            access_log \(directory.path)/access.log test;
            client_body_temp_path \(directory.path)/body;
            proxy_temp_path \(directory.path)/proxy;
            fastcgi_temp_path \(directory.path)/fastcgi;
            uwsgi_temp_path \(directory.path)/uwsgi;
            scgi_temp_path \(directory.path)/scgi;
            default_type application/octet-stream;
            sendfile on;
            keepalive_requests 1000000;
            keepalive_timeout 120s;
            server {
                listen \(host):\(port) backlog=4096\(tls == nil ? "" : " ssl http2");
                \(tls.map { "ssl_certificate \($0.chain); ssl_certificate_key \($0.key);" } ?? "")
                add_header X-Endpoint \(name) always;
                location / { return 200 "\(name)"; }
                location /files/ { alias \(directory.path)/files/; }
                location = /healthz { root \(directory.path)/healthz; try_files /state =503; }
            }
        }
        """
    }

    /// Starts nginx (again, on the same port) and waits until it accepts connections.
    package func start() throws {
        let command = prefix + ["nginx", "-p", directory.path, "-c", directory.file("nginx.conf")]
        let child = try ChildProcess(command)
        process.set(child)
        try Eventually.holds("endpoint \(name) on \(address)", within: .seconds(10)) {
            if let status = child.exitStatus {
                throw Eventually.Hopeless("it ended with \(status): \(child.errorText)")
            }
            // The pid file is written after the sockets are bound, and can be seen from every network namespace.
            return FileManager.default.fileExists(atPath: directory.file("nginx.pid"))
        }
    }

    /// Kills nginx; its connections break, new ones are refused.
    package func kill() {
        guard let child = process.take() else { return }
        child.signal(SIGKILL)
        _ = try? child.waitForExit(within: .seconds(5))
        directory.remove("nginx.pid")
    }

    /// Stops the process where it is: its connections stay open, new ones are taken by the kernel, and nobody answers.
    package func pause() { process.current?.signal(SIGSTOP) }
    package func unpause() { process.current?.signal(SIGCONT) }

    package func failHealth() { directory.remove("healthz/state") }
    package func restoreHealth() throws { try directory.write("healthy", to: "healthz/state") }

    /// The path of `files/name`, for tests that make large files.
    package func file(_ name: String) -> String { directory.file("files/\(name)") }

    /// The access log so far.
    package var accesses: [Access] {
        guard let text = try? String(contentsOfFile: directory.file("access.log"), encoding: .utf8) else { return [] }
        return text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 6, let status = Int(parts[0]) else { return nil }
            return Access(
                status: status, request: parts[1], connection: parts[2], peer: parts[3], forwardedFor: parts[4],
                realIP: parts[5])
        }
    }

    /// Requests answered so far, probes of `/healthz` aside.
    package var requestCount: Int { accesses.filter { !$0.request.contains("/healthz") }.count }
}
