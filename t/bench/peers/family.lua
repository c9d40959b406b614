-- The family's file by nginx + Lua: who asks is looked up in shared memory, the
-- database is asked for the file.

local cjson = require "cjson"
local pg = require "pg"

local family = {}
local place

-- sessions: lines of cookie, account, family
function family.start(where, sessions)
    place = where
    for line in io.lines(sessions) do
        local cookie, who = line:match("^(%S+)\t(%d+\t%d+)$")
        assert(ngx.shared.sessions:safe_set(cookie, who))
    end
end

-- What comes as JSON is decoded, as pgmoon does for its callers, and encoded
-- for the answer; text: it is passed on as it came, which is the least of all.
function family.answer(text)
    local cookie = ngx.var["cookie___Host-portal"]
    local who = cookie and ngx.shared.sessions:get(cookie)
    if not who then
        return ngx.exit(401)
    end

    local account, number = who:match("^(%d+)\t(%d+)$")
    local file = pg.value(place,
        "select family_file(" .. account .. ", " .. number .. ")")
    if not file then
        return ngx.exit(404)
    end
    if not text then
        file = cjson.encode(cjson.decode(file))
    end

    ngx.header["Content-Length"] = #file
    ngx.print(file)
end

return family
