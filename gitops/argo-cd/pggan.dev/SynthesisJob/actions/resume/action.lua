-- It goes on with the images that are missing.
obj.spec.suspend = false
return obj
