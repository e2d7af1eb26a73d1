// The suite for the memory backend, in this process and through /internal/v1.

#include "backends/memory/memory_backend.hpp"
#include "tests/conformance/memory_profile.hpp"

namespace sockerless::conformance {

INSTANTIATE_TEST_SUITE_P(Memory, BackendConformance,
                         testing::Values(Implementation{std::make_shared<MemoryProfile>(), Path::direct},
                                         Implementation{std::make_shared<MemoryProfile>(), Path::remote}),
                         name_of);

}  // namespace sockerless::conformance
