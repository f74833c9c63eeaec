-- SPDX-License-Identifier: Apache-2.0
--
-- Routes requests by the map, and lets the map be set and read. Package router says what a map is; its suite holds both to it.

local cjson = require "cjson.safe"
local ffi = require "ffi"
local bit = require "bit"

local M = {}

-- Of package router and package chain.
local HEAD = "aurigraph router map 1\n"
local SLOTS, SLOT_LAST, COHORTS_MAX, NAME_MAX, VERSION_MAX = 10000, 65534, 1000, 256, 2 ^ 53 - 1
local SUM_BYTES = #"crc32 01234567\n"
local FILE = ngx.config.prefix() .. "state/router.map"

local shared, counts = ngx.shared.router_map, ngx.shared.router_counts
local texts

cjson.decode_max_depth(64)

-- unescape reads %XX. A + stays a +. In a path nginx refuses what is malformed, in a map the comparison with its text does.
local function unescape(text)
  if not text:find("%", 1, true) then return text end
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function escape(text)
  return (text:gsub("[^%w%-_.!~*'()]", function(b) return ("%%%02X"):format(b:byte()) end))
end

-- empty is the map before any: all is V10's.
local function empty()
  return { version = 0, owned = ffi.new("uint8_t[?]", SLOT_LAST + 1), weight = 0, cohorts = {}, named = 0 }
end

-- number reads decimal digits without a leading zero.
local function number(text, most)
  local n = text and (text == "0" or text:find("^[1-9]%d*$")) and #text <= 16 and tonumber(text)
  return n and n <= most and n or nil
end

local function own(m, rest)
  local from, to = rest:match("^(%d+)-(%d+)$")
  from, to = number(from, SLOT_LAST), number(to, SLOT_LAST)
  if not from or not to or from > to then return false end
  for slot = from, to do
    if slot < SLOTS and m.owned[slot] == 0 then m.weight = m.weight + 1 end
    m.owned[slot] = 1
  end
  return true
end

local function name(m, rest)
  local slot, account = rest:match("^(%d+) (%S+)$")
  slot, account = number(slot, SLOT_LAST), account and unescape(account)
  if not slot or slot < SLOTS or not account or #account > NAME_MAX or m.named == COHORTS_MAX then return false end
  m.cohorts[account], m.named = slot, m.named + 1
  return true
end

local write

-- parse reads a map's text; nil if it is none, or not the one text of its map.
local function parse(text)
  if not text or #text < #HEAD + SUM_BYTES or text:sub(1, #HEAD) ~= HEAD then return nil end
  local m, versions = empty(), 0
  for word, rest in text:sub(#HEAD + 1, -SUM_BYTES - 1):gmatch("(%S*) ?([^\n]*)\n") do
    local good = false
    if word == "version" then
      m.version, versions = number(rest, VERSION_MAX), versions + 1
      good = m.version and versions == 1
    elseif word == "v11" then
      good = own(m, rest)
    elseif word == "cohort" then
      good = name(m, rest)
    end
    if not good then return nil end
  end
  if versions ~= 1 or write(m) ~= text then return nil end
  return m
end

-- write is the text of a map as it is routed by.
function write(m)
  local out = { HEAD, ("version %.0f\n"):format(m.version) }
  local owned = ffi.string(m.owned, SLOT_LAST + 1) -- strings are searched faster, and from 1
  local from = owned:find("\1", 1, true)
  while from do
    local after = owned:find("\0", from, true) or SLOT_LAST + 2
    out[#out + 1] = "v11 " .. from - 1 .. "-" .. after - 2 .. "\n"
    from = owned:find("\1", after, true)
  end
  local accounts = {}
  for account in pairs(m.cohorts) do accounts[#accounts + 1] = account end
  table.sort(accounts)
  for _, account in ipairs(accounts) do out[#out + 1] = ("cohort %d %s\n"):format(m.cohorts[account], escape(account)) end
  local body = table.concat(out)
  return body .. ("crc32 %s\n"):format(bit.tohex(ngx.crc32_long(body)))
end

-- What this worker routes by, and the stamp that it has.
local held, stamp = empty(), nil

-- current is the map in force. The text is written before its stamp: what is read under a new stamp is that map, or a later one.
local function current()
  local now = shared:get("stamp")
  if now == stamp then return held end
  local m = parse(shared:get("text"))
  if not m then
    ngx.log(ngx.ERR, "the map in memory is damaged: the last one stays in force here")
    return held
  end
  held, stamp = m, now
  return held
end

-- Reasons why a map is refused, and what becomes of a read for the shadow.
local REFUSALS = { "map_busy", "map_differs", "map_malformed", "map_not_in_force", "map_not_kept", "stale_map" }
local TOLD, FAILED, FULL = 'shadow_total{result="told"}', 'shadow_total{result="failed"}', 'shadow_total{result="full"}'

-- show has counters be there from the beginning: of what appears with its first event nobody sees that it grew.
local function show()
  for _, side in ipairs { "v10", "v11" } do
    for _, by in ipairs { "slot", "cohort", "whole" } do counts:safe_add(('requests_total{side="%s",by="%s"}'):format(side, by), 0) end
  end
  for _, reason in ipairs(REFUSALS) do counts:safe_add('maps_refused_total{reason="' .. reason .. '"}', 0) end
  if not texts.shadow then return end
  for _, key in ipairs { TOLD, FAILED, FULL } do counts:safe_add(key, 0) end
end

local function publish(text)
  local ok, err = shared:safe_set("text", text)
  if ok then ok, err = shared:safe_set("stamp", text:match("version (%d+)\n") .. " " .. text:sub(-SUM_BYTES)) end
  return ok, err
end

-- keep writes the file that a restart begins with.
local function keep(text)
  local f, err = io.open(FILE .. ".new", "w")
  if not f then return false, err end
  local ok
  ok, err = f:write(text)
  local closed, why = f:close()
  if not ok or not closed then return false, err or why end
  return os.rename(FILE .. ".new", FILE)
end

-- start is called before there are workers. A reload finds the map in memory.
function M.start(of)
  texts = of
  show()
  if shared:get("stamp") then return end
  local f = io.open(FILE, "r")
  if not f then return end
  local text = f:read("*a")
  f:close()
  if not parse(text) then
    ngx.log(ngx.ERR, FILE, " is damaged: all goes to V10 until the map is set again")
    return
  end
  local ok, err = publish(text)
  if not ok then ngx.log(ngx.ERR, "the map cannot be put in force: ", err) end
end

-- accountIn reads a member of the request's body; nil if there is none.
local function accountIn(member)
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  local said = body and cjson.decode(body)
  local account = type(said) == "table" and said[member]
  return type(account) == "string" and account ~= "" and account or nil
end

-- wayOf says where the request of an account goes, and why.
local function wayOf(m, account)
  if not account then return m.weight == SLOTS and "v11" or "v10", "whole", SLOT_LAST + 1 end
  local slot, by = m.cohorts[account], "cohort"
  if not slot then slot, by = ngx.crc32_long(account) % SLOTS, "slot" end
  return m.owned[slot] == 1 and "v11" or "v10", by, slot
end

function M.route()
  local var = ngx.var
  local class, place = var.route_rule:match("^(%a+) (.+)$")
  local account
  if place == "/" then
    account = unescape(var.route_account)
  elseif place ~= "-" then
    account = accountIn(place)
  end
  local m = current() -- after the body, which may have been long in coming
  local side, by, slot = wayOf(m, account)
  var.route_side, var.route_by, var.route_slot, var.route_version = side, by, slot, ("%.0f"):format(m.version)
  if side == "v10" and class == "again" then class = "once" end
  return ngx.exec("@" .. side .. "_" .. class)
end

local function add(key) counts:incr(key, 1, 0) end

-- What one worker tells the shadow at once. More is not told, so that one which hangs costs nothing.
local TELLING_MAX, READS = 32, { GET = true, HEAD = true }
local telling = 0

local function exchange(text)
  local shadow, sock = texts.shadow, ngx.socket.tcp()
  sock:settimeouts(200, 500, 500)
  local ok
  if shadow.port then ok = sock:connect(shadow.host, shadow.port) else ok = sock:connect(shadow.host) end
  ok = ok and sock:send(text)
  local status, line = ok and sock:receive("*l"), nil
  repeat line = status and sock:receive("*l") until not line or line == "" -- its answers have no bodies
  if not line then
    sock:close()
    return false
  end
  sock:setkeepalive(4000, TELLING_MAX)
  return status:find(" 204", 1, true) ~= nil
end

local function tell(premature, text)
  if premature then return end -- the worker ends
  local done, told = pcall(exchange, text)
  telling = telling - 1
  add(done and told and TOLD or FAILED)
end

-- offer names a read that was answered to the shadow, with what decides its answer.
local function offer(shadow, var)
  if telling >= TELLING_MAX then return add(FULL) end
  local lines = {
    "POST " .. shadow.path .. " HTTP/1.1", "Host: shadow", "Content-Length: 0", shadow.method .. ": " .. var.request_method,
    shadow.uri .. ": " .. var.request_uri, ("%s: %s %s %s"):format(shadow.way, var.route_side, var.route_by, var.route_slot),
    shadow.id .. ": " .. var.request_id,
  }
  for header, variable in pairs(shadow.copied) do
    local value = var[variable]
    if value then lines[#lines + 1] = header .. ": " .. value end
  end
  lines[#lines + 1] = "\r\n"
  telling = telling + 1
  if not ngx.timer.at(0, tell, table.concat(lines, "\r\n")) then
    telling = telling - 1
    add(FULL)
  end
end

function M.count()
  local var, shadow = ngx.var, texts.shadow
  local side = var.route_side
  if not side or side == "" then return end
  add('requests_total{side="' .. side .. '",by="' .. var.route_by .. '"}')
  if shadow and READS[var.request_method] and var.shadow_sample == "1" then offer(shadow, var) end
end

local function answer(status, reason, body)
  add('failures_total{reason="' .. reason .. '"}')
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #body
  if status == 503 then ngx.header["Retry-After"] = texts.retry_after end
  ngx.print(body)
end

function M.large() answer(413, "body_oversized", texts.large) end

-- failed: without a connection nothing was done; else nobody knows.
function M.failed()
  if (ngx.var.upstream_connect_time or ""):find("%d") then return answer(504, "router_unknown", texts.unknown) end
  answer(503, "router_unsent", texts.unsent)
end

local function say(status, reason, text)
  if status ~= 204 then add('maps_refused_total{reason="' .. reason .. '"}') end
  ngx.status = status
  if status == 204 then return end
  ngx.header["Content-Type"] = "application/json"
  ngx.print(cjson.encode { reason = reason, error = text })
end

-- set puts a map in force. It waits for nothing, so that no other request of this worker comes between.
local function set(text, m)
  local present = current()
  if m.version < present.version then
    return 409, "stale_map", ("version %.0f of the map is in force, %.0f is behind it: read the homes again"):format(present.version, m.version)
  end
  if m.version == present.version then
    if write(present) == text then return 204 end
    return 409, "map_differs", ("version %.0f of the map is in force with other contents: read the homes again"):format(m.version)
  end
  local ok, err = keep(text)
  if not ok then return 500, "map_not_kept", "the map cannot be written: " .. tostring(err) .. ": look at the disk and who owns the folder state" end
  ok, err = publish(text)
  if not ok then return 500, "map_not_in_force", "the map cannot be put in force: " .. tostring(err) end
  return 204
end

local function put()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  local m = parse(text)
  if not m then return say(400, "map_malformed", "this is no text of a map") end
  -- Workers take turns. One that died in its turn holds it for a while.
  if not shared:safe_add("turn", true, 10) then return say(503, "map_busy", "another map is being set: set it again") end
  local done, status, reason, why = pcall(set, text, m)
  shared:delete("turn")
  if not done then status, reason, why = 500, "internal", tostring(status) end
  say(status, reason, why)
end

function M.map()
  local method = ngx.req.get_method()
  if method == "PUT" then return put() end
  if method ~= "GET" then return say(405, "method", "GET reads the map, PUT sets it") end
  local text = write(current())
  ngx.header["Content-Type"] = "text/plain"
  ngx.header["Content-Length"] = #text
  ngx.print(text)
end

function M.metrics()
  local m = current()
  local out, last = {}, nil
  local function line(kind, key, value)
    local name = key:match("^[%l_]+")
    if name ~= last then out[#out + 1] = ("# TYPE aurigraph_router_%s %s\n"):format(name, kind) end
    out[#out + 1], last = ("aurigraph_router_%s %.0f\n"):format(key, value), name
  end
  line("gauge", "map_version", m.version)
  line("gauge", "weight_basis_points", m.weight)
  local keys = counts:get_keys(100)
  table.sort(keys)
  for _, key in ipairs(keys) do line("counter", key, counts:get(key)) end
  ngx.header["Content-Type"] = "text/plain; version=0.0.4"
  ngx.print(table.concat(out))
end

return M
