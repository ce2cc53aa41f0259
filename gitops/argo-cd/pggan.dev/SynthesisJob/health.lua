-- The operator's own conditions: Reconciling while anything goes on by itself, Stalled where a person must act, Ready otherwise.
local function health(status, message)
  return { status = status, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "It is being deleted.")
end

local status = obj.status or {}
if status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "The operator has not looked at this version yet.")
end

local holds = {}
for _, condition in ipairs(status.conditions) do
  if condition.status == "True" then
    holds[condition.type] = condition
  end
end

if holds.Reconciling then
  return health("Progressing", holds.Reconciling.message)
end
if holds.Stalled then
  return health("Degraded", holds.Stalled.message)
end
if holds.Suspended and not holds.Succeeded then
  return health("Suspended", (holds.Ready or holds.Suspended).message)
end
if holds.Ready then
  return health("Healthy", holds.Ready.message)
end
return health("Progressing", "The operator says nothing of it.")
