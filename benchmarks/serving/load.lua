-- What one load is made of; the environment says it. Prints one line of JSON at the end.
local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

wrk.method = os.getenv("BENCH_METHOD")
wrk.body = read(os.getenv("BENCH_BODY"))

-- With an answer that is expected, every one is looked at; that costs some of the rate.
local expected = os.getenv("BENCH_ANSWER")
if expected then
  local right = read(expected)
  wrong, first = 0, nil
  response = function(status, headers, body)
    if status ~= 200 or body ~= right then
      wrong = wrong + 1
      first = first or status .. " " .. body:sub(1, 300):gsub('[^ -~]', "?"):gsub('["\\]', "'")
    end
  end
end

local threads = {}
setup = function(thread) table.insert(threads, thread) end

done = function(summary, latency, requests)
  local bad, example = 0, ""
  for _, thread in ipairs(threads) do
    bad = bad + (thread:get("wrong") or 0)
    example = thread:get("first") or example
  end
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.4f, "p99": %.4f, "most": %.4f, "status": %d, "broken": %d, "wrong": %d, "example": "%s"}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, errors.status, errors.connect + errors.read + errors.write + errors.timeout, bad, example))
end
