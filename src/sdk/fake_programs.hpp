#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX's

// For the tests of sdk/.
namespace sockerless {

/// A folder for PATH with programs that are all fake_program.cpp, and the files that tell them what to do.
class FakePrograms {
 public:
  FakePrograms() {
    std::string name = std::filesystem::temp_directory_path() / "sockerless-sdk-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) folder_ = name;
  }
  ~FakePrograms() { std::filesystem::remove_all(folder_); }
  FakePrograms(const FakePrograms&) = delete;
  FakePrograms& operator=(const FakePrograms&) = delete;

  void add(const std::string& program) { std::filesystem::create_symlink(SOCKERLESS_FAKE_PROGRAM, folder_ / program); }
  void write(const std::string& file, const std::string& text) { std::ofstream(folder_ / file) << text; }
  std::string read(const std::string& file) const {
    std::ifstream stream(folder_ / file);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }
  std::string path() const { return folder_.string(); }

 private:
  std::filesystem::path folder_;
};

}  // namespace sockerless
