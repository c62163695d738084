-- Behind `--` on the command line: how many hosts the requests go to in turn; 0: wrk's own one.
function init(args)
    local hosts = tonumber(args[1] or 0)
    if hosts == 0 then return end
    local requests = {}
    for number = 0, hosts - 1 do
        wrk.headers["Host"] = "h" .. number .. ".example"
        requests[#requests + 1] = wrk.format()
    end
    local last = 0
    function request()
        last = last % hosts + 1
        return requests[last]
    end
end

-- One line of JSON when wrk is done: what it counted, its errors, and the latency in microseconds.
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "errors": '
            .. '{"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}}\n',
        summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
        errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
