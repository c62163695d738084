import Foundation

/// A gRPC server (the Python library of gRPC) with the health service and one method of its own, which answers with the
/// server's name.
///
/// What the health service says of each service is set while it runs. A service without a status is NOT_FOUND.
package final class GRPCEndpoint: Sendable {
    /// Debian's own interpreter, for which `python3-grpcio` is installed.
    private static let python = "/usr/bin/python3"

    package let name: String
    package let port: UInt16
    package var address: String { "127.0.0.1:\(port)" }
    private let directory: TemporaryDirectory
    private let process: ChildProcess

    /// ServingStatus of grpc.health.v1.
    package enum Status: Int, Sendable {
        case unknown = 0
        case serving = 1
        case notServing = 2
    }

    /// - Parameters:
    ///   - health: By service; the empty one is the whole server. nil: it has no health service.
    ///   - certificate: Paths of a chain and its key, for a server inside of TLS.
    package init(
        _ name: String, health: [String: Status]?, certificate: (chain: String, key: String)? = nil
    ) throws {
        self.name = name
        port = try Ports.unused()
        directory = try TemporaryDirectory()
        var command = [GRPCEndpoint.python, "-c", GRPCEndpoint.server, name, "\(port)", directory.file("health")]
        if let certificate { command += [certificate.chain, certificate.key] }
        if let health { try GRPCEndpoint.write(health, to: directory) }
        process = try ChildProcess(command)
        try Eventually.holds("gRPC server \(name)", within: .seconds(20)) { [process] in
            if let status = process.exitStatus {
                throw Eventually.Hopeless("it ended with \(status): \(process.errorText)")
            }
            return process.outputText.contains("ready")
        }
    }

    package func set(_ health: [String: Status]) throws { try GRPCEndpoint.write(health, to: directory) }

    package func stop() { process.signal(SIGKILL) }

    /// Calls the server's own method, each time by a connection of its own; who answered, in order.
    package static func call(_ port: UInt16, times: Int) throws -> [String] {
        try Command.succeed([python, "-c", client, "\(port)", "\(times)"]).split(separator: "\n").map(String.init)
    }

    private static func write(_ health: [String: Status], to directory: TemporaryDirectory) throws {
        let text = health.map { "\($0.key)=\($0.value.rawValue)\n" }.joined()
        // Never half a file for a server that reads it.
        try directory.write(text, to: "health.next")
        guard rename(directory.file("health.next"), directory.file("health")) == 0 else {
            throw SystemCallError(call: "rename", errno: errno)
        }
    }

    private static let server = """
        import os, sys, grpc
        from concurrent import futures
        name, port, health, *certificate = sys.argv[1:]

        def check(request, context):
            service = request[2:].decode() if request else ""
            for line in open(health):
                key, _, status = line.strip().partition("=")
                if key == service:
                    return bytes([8, int(status)]) if int(status) else b""
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")

        class Services(grpc.GenericRpcHandler):
            def service(self, details):
                if details.method == "/test.Server/Name":
                    return grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())
                if details.method == "/grpc.health.v1.Health/Check" and os.path.exists(health):
                    return grpc.unary_unary_rpc_method_handler(check)

        server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((Services(),))
        if certificate:
            chain, key = (open(path, "rb").read() for path in certificate)
            server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([(key, chain)]))
        else:
            server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        print("ready", flush=True)
        server.wait_for_termination()
        """

    private static let client = """
        import sys, grpc
        for number in range(int(sys.argv[2])):
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
            with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}", options=options) as channel:
                print(channel.unary_unary("/test.Server/Name")(b"", timeout=20).decode())
        """
}
