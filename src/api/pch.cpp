// Holds the precompiled header; see pch.hpp.
