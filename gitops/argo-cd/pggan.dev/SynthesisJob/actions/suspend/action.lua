-- It saves and stops.
obj.spec.suspend = true
return obj
