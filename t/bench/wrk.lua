-- wrk -s wrk.lua URL -- MODE COOKIES HOST PATH ACCEPT [CSRF VISITOR]
--
-- Requests of sessions drawn at random from the file COOKIES.  MODE:
--   get    PATH
--   agent  the same, of an agent
--   mix    cheap pages, and a family file every tenth request
--   login  POST /connexion of an account drawn at random; PATH: how many
--   photo  POST PATH of the file CSRF
-- The last line printed is the result for t/bench/run.

local cookies, mode, host, path, accept = {}

local threads = {}

function setup(thread)
    thread:set("serial", #threads)
    threads[#threads + 1] = thread
end

local function heads(where, what)
    return "GET " .. where .. " HTTP/1.1\r\nHost: " .. host
        .. "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) "
        .. "Gecko/20100101 Firefox/128.0\r\nAccept: " .. what
        .. "\r\nCookie: __Host-portal="
end

local head, ways

function init(args)
    mode, host, path, accept = args[1], args[3], args[4], args[5]
    math.randomseed(os.time() * 16 + serial)
    for line in io.lines(args[2]) do
        cookies[#cookies + 1] = line:match("^%S+")
    end
    bad = 0

    if mode == "login" then
        head = "POST /connexion HTTP/1.1\r\nHost: " .. host
            .. "\r\nUser-Agent: Mozilla/5.0 Firefox/128.0\r\nAccept: text/html"
            .. "\r\nContent-Type: application/x-www-form-urlencoded"
            .. "\r\nSec-Fetch-Site: same-origin\r\nCookie: __Host-visit="
            .. args[7] .. "\r\n"
        csrf = args[6]
        response = function(status, headers)
            if status ~= 303 or not headers["Set-Cookie"] then
                bad = bad + 1
            end
        end
    elseif mode == "mix" then
        local html = "text/html"
        ways = { heads("/famille", html), heads("/famille", "application/json") }
        for i = 3, 20 do
            ways[i] = heads(i < 12 and "/bench/gated" or "/aide", html)
        end
    elseif mode == "photo" then
        local file = io.open(args[6], "rb")
        local body = file:read("*a")
        file:close()
        whole = "POST " .. path .. " HTTP/1.1\r\nHost: " .. host
            .. "\r\nContent-Type: image/jpeg\r\nContent-Length: " .. #body
            .. "\r\n\r\n" .. body
    else
        head = heads(path, accept)
        if mode == "agent" then
            head = head:gsub("__Host%-portal=$", "__Host-agent=")
        end
    end
end

function request()
    if mode == "login" then
        local body = "csrf=" .. csrf .. "&email=generated-"
            .. math.random(tonumber(path))
            .. "%40exemple.fr&password=arrosoir-cathedrale-95"
        return head .. "X-Real-IP: 10." .. math.random(0, 255) .. "."
            .. math.random(0, 255) .. "." .. math.random(1, 254)
            .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
    end

    if whole then
        return whole
    end

    return (ways and ways[math.random(#ways)] or head)
        .. cookies[math.random(#cookies)] .. "\r\n\r\n"
end

function done(summary, latency)
    local e, wrong = summary.errors, summary.errors.status
    for _, thread in ipairs(threads) do
        wrong = wrong + thread:get("bad")
    end
    print(string.format("result %d %d %d %d %d %d %d", summary.requests,
        summary.duration, summary.bytes,
        e.connect + e.read + e.write + e.timeout, wrong,
        latency:percentile(50), latency:percentile(99)))
end
