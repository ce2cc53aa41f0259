// Linked into the addon: makes abseil's logging, which TensorFlow uses beside its own, heed TF_CPP_MIN_LOG_LEVEL too.
#include <cstdlib>

#include "absl/log/globals.h"

namespace {

const bool quiet = [] {
  const char *level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  if (level != nullptr) absl::SetMinLogLevel(static_cast<absl::LogSeverityAtLeast>(std::atoi(level)));
  return true;
}();

}  // namespace
