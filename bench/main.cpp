// `make bench`: one program, one table, one JSON file. See bench/README.md.

#include <cstdio>

#include <CLI/CLI.hpp>

#include "base/error.hpp"
#include "bench/copier.hpp"
#include "bench/measures.hpp"
#include "bench/namespaces.hpp"

int main(int argc, char** argv) {
  using namespace sockerless::bench;
  CLI::App app("Measures Sockerless beside its peers");
  std::string json_file;
  std::vector<std::string> only;
  std::vector<std::string> copy;
  app.add_option("--json", json_file, "file for the figures");
  app.add_option("--only", only, "groups to measure")->delimiter(',');
  app.add_option("--copy", copy, "be the bare copier between two sockets")->expected(2)->group("");  // start_copier's
  CLI11_PARSE(app, argc, argv);
  Report report;
  try {
    if (copy.size() == 2) copy_between(copy[0], copy[1]);
    const OwnNamespaces namespaces;
    Bench bench{
        .program = std::filesystem::canonical("/proc/self/exe").parent_path() / "sockerless", .rootfs = busybox_rootfs(), .report = report};
    for (const auto& [name, measure] : measures()) {
      if (!only.empty() && std::ranges::find(only, name) == only.end()) continue;
      std::fprintf(stderr, "measuring %s\n", name.c_str());
      measure(bench);
    }
    if (!json_file.empty()) report.write_json(json_file);
  } catch (const sockerless::Error& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 2;
  }
  return report.print() ? 0 : 1;
}
