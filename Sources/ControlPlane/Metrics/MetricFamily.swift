/// A metric: its name, type and help text.
struct MetricFamily: Sendable {
    enum Kind: String, Sendable {
        case counter, gauge, histogram, untyped
    }
    let name: String
    let kind: Kind
    let help: String

    /// In the order in which they are written.
    static let known: [MetricFamily] = [
        .init("sluice_requests_total", .counter, "Requests answered, by listener, route and status code."),
        .init(
            "sluice_request_duration_seconds", .histogram, "From the first byte of a request to the end of its answer."),
        .init("sluice_connections", .gauge, "Connections of clients that are open."),
        .init("sluice_connections_accepted_total", .counter, "Connections of clients that were taken."),
        .init("sluice_bytes_total", .counter, "Bytes moved, by direction."),
        .init(
            "sluice_endpoint_up", .gauge,
            "1 when at least one node can use the endpoint (the largest over the nodes), else 0."),
        .init(
            "sluice_endpoint_requests_total", .counter, "Requests sent to the endpoint, by status code of its answer."),
        .init("sluice_endpoint_active", .gauge, "Requests or relayed connections under way at the endpoint."),
        .init(
            "sluice_malformed_messages_total", .counter,
            "Requests (side client), responses (side endpoint) and PROXY headers (side forwarder) refused for their bytes, by reason."
        ),
        .init(
            "sluice_tls_handshakes_total", .counter,
            "TLS handshakes of clients, by version and whether a session was resumed."),
        .init(
            "sluice_early_data_total", .counter,
            "Requests in early data (0-RTT) by outcome: served before the handshake was complete, or waited for it; and connections whose early data was rejected."
        ),
        .init("sluice_tls_handshake_failures_total", .counter, "TLS handshakes of clients that failed, by reason."),
        .init(
            "sluice_tls_certificate_expiry_seconds", .gauge,
            "When the certificate of a listener expires, Unix time."),
        .init(
            "sluice_certificate_ocsp_next_update_seconds", .gauge,
            "When the OCSP response that was fetched for the certificate is over, Unix time; 0 when there is none to staple."
        ),
        .init(
            "sluice_certificate_ocsp_failures_total", .counter,
            "Questions to the certificate's OCSP responder that gave no response that counts."),
        .init(
            "sluice_certificate_ocsp_revoked", .gauge,
            "1 when the newest OCSP response says that the certificate is revoked (nothing is stapled then), else 0."),
        .init("sluice_endpoint_tls_failures_total", .counter, "TLS handshakes with the endpoint that failed."),
        .init(
            "sluice_probes_total", .counter,
            "Health checks of endpoints that ended, by kind (tcp, http, grpc) and result (passed, failed, inconclusive)."
        ),
        .init(
            "sluice_probe_handshakes_total", .counter,
            "TLS handshakes of health checks, by whether a session was resumed."),
        .init(
            "sluice_endpoint_latency_seconds", .gauge,
            "From the start of an attempt to the head of the endpoint's answer, in the last one to two minutes."),
        .init("sluice_endpoint_ejected", .gauge, "Nodes that eject the endpoint now for what it did to requests."),
        .init("sluice_endpoint_ejections_total", .counter, "Ejections of the endpoint by nodes, by reason."),
        .init(
            "sluice_endpoint_ejections_held_total", .counter,
            "Ejections that `max_ejected` prevented, by the reason that they would have had."),
        .init("sluice_endpoint_failures_total", .counter, "Failed connects and broken exchanges of the endpoint."),
        .init(
            "sluice_endpoint_connections", .gauge,
            "Connections of proxy nodes to the endpoint that are open, by state: active or idle."),
        .init(
            "sluice_pool_panic", .gauge,
            "Workers of proxy nodes that spread requests over all endpoints of the pool, as fewer are up than `panic` asks for."
        ),
        .init("sluice_pool_queue", .gauge, "Requests that wait for a connection to an endpoint of the pool."),
        .init(
            "sluice_pool_queue_rejected_total", .counter,
            "Requests answered with 503 because the pool's queue was full or they had waited too long, by reason."),
        .init(
            "sluice_connect_shortages_total", .counter,
            "Connections to endpoints that could not be opened for want of descriptors or memory of the node's host."),
        .init(
            "sluice_requests_timed_out_total", .counter, "Requests ended by `timeout.request`, by listener and route."),
        .init(
            "sluice_mirror_requests_total", .counter,
            "Copies of requests that were sent, by outcome: answered, or failed on the way."),
        .init("sluice_mirror_dropped_total", .counter, "Copies of requests that were not sent, by reason."),
        .init("sluice_mirror_in_flight", .gauge, "Copies of requests that are under way."),
        .init("sluice_pool_requests", .gauge, "Requests under way for a pool with `requests` limits."),
        .init(
            "sluice_pool_requests_limit", .gauge,
            "Requests that the adaptive limits of all event loops together let through at a time."),
        .init(
            "sluice_pool_requests_rejected_total", .counter,
            "Requests answered with 503 for the pool's `requests` limits, by reason: max or adaptive."),
        .init(
            "sluice_retries_total", .counter,
            "Requests sent again, by reason: a word or status of `retry.on`, or hedge."),
        .init("sluice_hedges_won_total", .counter, "Second requests (`hedge`) that were answered before the first."),
        .init("sluice_retries_active", .gauge, "Requests under way that count against the pool's retry budget."),
        .init("sluice_retries_waiting", .gauge, "Requests that wait for room in the pool's retry budget."),
        .init(
            "sluice_retries_refused_total", .counter,
            "Requests that were not sent again, or had waited too long for it, as the pool's retry budget was spent."),
        .init("sluice_http2_connections", .gauge, "Connections that speak HTTP/2, by side: client or endpoint."),
        .init("sluice_http2_streams", .gauge, "Streams of HTTP/2 that are under way, by side."),
        .init("sluice_http2_streams_total", .counter, "Streams of HTTP/2 that were begun, by side."),
        .init(
            "sluice_http2_resets_total", .counter,
            "Streams of HTTP/2 that ended before their time: the peer gave them up, or made us give them up; by side."),
        .init(
            "sluice_http2_abuse_total", .counter, "HTTP/2 connections of clients that went beyond a limit, by reason."),
        .init(
            "sluice_http2_endpoint_abuse_total", .counter,
            "HTTP/2 connections to endpoints that went beyond a limit, by reason."),
        .init("sluice_http2_goaways_total", .counter, "Times that an endpoint ended a connection by GOAWAY."),
        .init(
            "sluice_http2_passed_over_total", .counter,
            "Requests that began anew as their connection ended before the endpoint looked at them."),
        .init(
            "sluice_forwarder_connections_total", .counter, "Connections that the forwarder passed to a node, by path."),
        .init(
            "sluice_passthrough_connections_total", .counter,
            "Connections of `tls-passthrough` listeners that a route gave to a pool; with an empty route, by the listener's `to`."
        ),
        .init(
            "sluice_passthrough_refused_total", .counter,
            "Clients of `tls-passthrough` listeners that were closed before they had a pool, by reason."),
        .init(
            "sluice_shed_requests_total", .counter,
            "Requests answered with 503 as the node was over its limits, by reason: delay or memory."),
        .init("sluice_overloaded", .gauge, "Event loops that turn requests away now."),
        .init(
            "sluice_forwarder_node_stalls_total", .counter,
            "Hand-over links given up as the node on this host took connections and didn't answer."),
        .init(
            "sluice_limited_total", .counter,
            "What a limit of the site ended: connections over it, last requests of connections, stalled clients."),
        .init("sluice_access_log_written_total", .counter, "Lines of the access log that its target took."),
        .init(
            "sluice_access_log_dropped_total", .counter,
            "Requests that are not in the access log: the node's memory for it was full, or the target failed."),
        .init("sluice_revision", .gauge, "Revision that the node serves; 0 before its first."),
        .init("sluice_node_up", .gauge, "1 when the node is up or draining, else 0."),
        .init(
            "sluice_node_reported", .gauge, "1 when the figures of the node are in this answer, 0 when it was silent."),
        .init("sluice_node_connections", .gauge, "Connections of clients that are open at the node."),
        .init("sluice_node_buffers", .gauge, "Blocks of 64 KiB that hold bytes of messages at the node."),
        .init("sluice_node_restarts_total", .counter, "Starts of the node after its first, by this control plane."),
        .init(
            "sluice_node_cpu_seconds_total", .counter,
            "User and system time of the node's process; from 0 when it restarts."),
        .init("sluice_node_resident_bytes", .gauge, "Memory of the node's process that is in RAM."),
        .init("process_cpu_seconds_total", .counter, "User and system time of the control plane."),
        .init("process_resident_memory_bytes", .gauge, "Memory of the control plane that is in RAM."),
        .init("sluice_name_resolves", .gauge, "1 when the last lookup of an endpoints' name gave addresses, else 0."),
        .init("sluice_name_addresses", .gauge, "Addresses of the name that are in use."),
        .init(
            "sluice_name_failures_total", .counter, "Lookups of the name that gave none: the addresses of before stay."),
        .init("sluice_control_revision", .gauge, "Revision that the control plane has published."),
        .init("sluice_control_start_time_seconds", .gauge, "When the control plane was started, Unix time."),
    ]

    init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }

    private static let kinds = Dictionary(uniqueKeysWithValues: known.map { ($0.name, $0.kind) })

    /// The family that a sample's name belongs to: `x_bucket`, `x_sum` and `x_count` are parts of a histogram `x`.
    static func family(of sample: String) -> String {
        for suffix in ["_bucket", "_sum", "_count"] where sample.hasSuffix(suffix) {
            let base = String(sample.dropLast(suffix.count))
            if kinds[base] == .histogram { return base }
        }
        return sample
    }

    /// Whether the value only grows while a node lives.
    static func isCounter(_ sample: String) -> Bool {
        switch kinds[family(of: sample)] {
        case .counter, .histogram: true
        case .gauge: false
        case .untyped, nil: sample.hasSuffix("_total")
        }
    }

    /// Whether equal samples of several nodes are one fact rather than parts of a sum.
    static func takesLargest(_ sample: String) -> Bool { sample == "sluice_endpoint_up" }
}
