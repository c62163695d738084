-- Behind `--` on the command line: how many hosts the requests go to in turn (0: wrk's own one), and how many
-- milliseconds a connection waits on average before it asks again (0: it doesn't wait).
function init(args)
    local hosts, pause = tonumber(args[1] or 0), tonumber(args[2] or 0)
    if pause > 0 then
        -- By chance, so that connections don't ask all at once.
        function delay() return math.random(1, 2 * pause - 1) end
    end
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
