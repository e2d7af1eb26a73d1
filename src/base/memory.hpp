#pragma once

namespace sockerless {

/// Gives back what only the start of a program needed: freed heap, and the mapped pages of code. Code that runs comes back from the page
/// cache as it is called; the rest (settings, schemas, libraries' constructors) stays away.
void release_start_memory();

}  // namespace sockerless
