-- What wrk sends and tells: wishes, and of every hundred requests so many hostile programs.
-- Arguments: the path, the wish, hostile requests in a hundred, then the hostile bodies.

local sent, attack = 0, 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json" }
  wish = wrk.format("POST", arguments[1], headers, arguments[2])
  share = tonumber(arguments[3])
  attacks = {}
  for i = 4, #arguments do
    attacks[i - 3] = wrk.format("POST", "/api/sandbox", headers, arguments[i])
  end
end

function request()
  sent = sent + 1
  -- Spread evenly: whenever the share of all requests so far passes the next whole number.
  if #attacks > 0 and math.floor(sent * share / 100) > math.floor((sent - 1) * share / 100) then
    attack = attack % #attacks + 1
    return attacks[attack]
  end
  return wish
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "lost": %d, "refused": %d, "p50": %d, "p90": %d, "p99": %d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
