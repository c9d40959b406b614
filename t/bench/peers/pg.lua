-- As much of PostgreSQL's protocol (version 3) as the bench needs: a query as
-- plain text, the first column of its first row, connections that are kept.
-- It does less than pgmoon, which knows types, names of columns and every row.

local semaphore = require "ngx.semaphore"

local pg = {}

local char = string.char

local function int32(n)
    return char(math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256,
        math.floor(n / 256) % 256, n % 256)
end

local function number(text, at)
    local a, b, c, d = text:byte(at, at + 3)

    return ((a * 256 + b) * 256 + c) * 256 + d
end

-- kind and body of the next message
local function receive(sock)
    local head = assert(sock:receive(5))
    local length = number(head, 2) - 4

    return head:sub(1, 1), length > 0 and assert(sock:receive(length)) or ""
end

-- the first value of the first row, when the server is ready again
local function answer(sock)
    local value

    while true do
        local kind, body = receive(sock)
        if kind == "D" and value == nil then
            local length = number(body, 3)
            value = length < 2147483648 and body:sub(7, 6 + length)
        elseif kind == "E" then
            error((body:gsub("%z", " ")))
        elseif kind == "R" and number(body, 1) ~= 0 then
            error("PostgreSQL asks for a password")
        elseif kind == "Z" then
            return value
        end
    end
end

local function ask(place, sql)
    local sock = ngx.socket.tcp()

    assert(sock:connect("unix:" .. place.socket))
    if sock:getreusedtimes() == 0 then
        local start = int32(196608) .. "user\0" .. place.user
            .. "\0database\0" .. place.database .. "\0\0"
        assert(sock:send(int32(#start + 4) .. start))
        answer(sock)
    end

    assert(sock:send("Q" .. int32(#sql + 5) .. sql .. "\0"))
    local value = answer(sock)
    assert(sock:setkeepalive(60000, place.connections))

    return value
end

-- A worker has no more connections than that at a time: more would be slower.
-- The pool's own backlog would make new ones again and again.
local turns

function pg.value(place, sql)
    turns = turns or semaphore.new(place.connections)

    assert(turns:wait(10))
    local ok, value = pcall(ask, place, sql)
    turns:post()

    if not ok then
        error(value)
    end

    return value
end

return pg
