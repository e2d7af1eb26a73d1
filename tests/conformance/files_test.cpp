#include <algorithm>
#include <map>

#include "oci/tar.hpp"
#include "oci/test_support.hpp"
#include "tests/conformance/harness.hpp"

// A container's files from outside, and images made of them. A backend whose containers have no files has neither role.

namespace sockerless::conformance {
namespace {

using oci::testing_support::TarBuilder;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t kLimit = 64UL << 20;

Task<std::string> read_opened(Task<std::unique_ptr<ByteSource>> opening) {
  const auto source = co_await std::move(opening);
  co_return co_await read_all(*source, kLimit);
}

TEST_P(BackendConformance, WhatIsPutInComesOut) {
  in_each_state([this](const std::string& id) {
    put_files(id, "/tmp", TarBuilder().directory("d", 0750).file("d/f", "content").symlink("d/l", "f").hard_link("d/h", "d/f").finish());
    const auto members = get_files(id, "/tmp/d");
    EXPECT_THAT(members,
                ElementsAre(std::pair("d/", ""), std::pair("d/f", "content"), std::pair("d/h", "-> d/f"), std::pair("d/l", "-> f")));
    EXPECT_EQ(members, get_files(id, "tmp/x/../d/"));
    EXPECT_EQ(get_files(id, "/tmp/d/.").count("./f"), 1);
    EXPECT_THAT(get_files(id, "/tmp/d/f"), ElementsAre(std::pair("f", "content")));
  });
}

TEST_P(BackendConformance, APathsFactsAreGosAndTellWhereALinkLeads) {
  in_each_state([this](const std::string& id) {
    auto file = TarBuilder::make(oci::TarEntry::Type::file, "f", 04750);
    put_files(id, "/tmp", TarBuilder().add(file).symlink("l", "/tmp/../etc").symlink("nowhere", "none").finish());
    const PathStat stat = run(files().stat_path({id}, "/tmp/f"));
    EXPECT_EQ(stat.name, "f");
    EXPECT_EQ(stat.size, 0);
    EXPECT_EQ(stat.mode, (1U << 23) | 0750U);
    EXPECT_EQ(stat.mtime, file.mtime);
    EXPECT_EQ(run(files().stat_path({id}, "/tmp/l")).link_target, "/etc");
    EXPECT_EQ(run(files().stat_path({id}, "/tmp/l")).mode & (1U << 27), 1U << 27);
    EXPECT_EQ(run(files().stat_path({id}, "/tmp/l/")).mode & (1U << 31), 1U << 31);
    EXPECT_EQ(run(files().stat_path({id}, "/tmp/nowhere")).link_target, "/tmp/none");
    EXPECT_EQ(run(files().stat_path({id}, "/")).name, "/");
  });
}

TEST_P(BackendConformance, WhatIsNotThereIsNamedAsItWasAsked) {
  in_each_state([this](const std::string& id) {
    const auto no_file = FailsWith(ErrorCode::not_found, "Could not find the file /no/such in container " + id);
    // An answer to HEAD has no body, so that of a dockerd tells the status alone.
    EXPECT_EQ(error_from([&] { run(files().stat_path({id}, "/no/such")); }).code(), ErrorCode::not_found);
    EXPECT_THAT(error_from([&] { run(files().get_archive({id}, "/no/such")); }), no_file);
    EXPECT_THAT(error_from([&] { put_files(id, "/no/such", TarBuilder().finish()); }), no_file);
    const Error no_folder = error_from([&] { put_files(id, "/etc/passwd", TarBuilder().finish()); });
    EXPECT_THAT(no_folder.code(), refusal(ErrorCode::invalid_argument));
    EXPECT_THAT(no_folder.message(), HasSubstr("extraction point is not a directory"));
  });
  if (!profile().has_files()) return;
  const auto nobody = FailsWith(ErrorCode::not_found, "No such container: nobody");
  EXPECT_EQ(error_from([&] { run(files().stat_path({"nobody"}, "/")); }).code(), ErrorCode::not_found);
  EXPECT_THAT(error_from([&] { run(files().export_files({"nobody"})); }), nobody);
  EXPECT_THAT(error_from([&] { run(files().changes({"nobody"})); }), nobody);
}

TEST_P(BackendConformance, ADirectoryTakesTheNamesPlaceOnlyWhenThatIsAllowed) {
  in_each_state([this](const std::string& id) {
    put_files(id, "/tmp", TarBuilder().directory("d").file("f", "old").finish());
    EXPECT_THAT(error_from([&] { put_files(id, "/tmp", TarBuilder().file("d", "x").finish(), true); }).message(),
                HasSubstr(R"(cannot overwrite directory "/tmp/d" with non-directory "/tmp")"));
    EXPECT_THAT(error_from([&] { put_files(id, "/tmp", TarBuilder().directory("f").finish(), true); }).message(),
                HasSubstr(R"(cannot overwrite non-directory "/tmp/f" with directory "/tmp")"));
    put_files(id, "/tmp", TarBuilder().file("d", "x").directory("f").finish());
    EXPECT_THAT(get_files(id, "/tmp/d"), ElementsAre(std::pair("d", "x")));
    EXPECT_THAT(get_files(id, "/tmp/f"), ElementsAre(std::pair("f/", "")));
  });
}

TEST_P(BackendConformance, ALinkInTheWayLeadsNowhereOutside) {
  in_each_state([this](const std::string& id) {
    put_files(id, "/tmp", TarBuilder().symlink("up", "/etc").symlink("etc", "/etc").finish());
    put_files(id, "/tmp/up", TarBuilder().file("from-up", "1").finish());
    put_files(id, "/tmp", TarBuilder().file("etc/from-etc", "2").finish());
    EXPECT_THAT(get_files(id, "/etc/from-up"), ElementsAre(std::pair("from-up", "1")));
    EXPECT_THAT(get_files(id, "/etc/from-etc"), ElementsAre(std::pair("from-etc", "2")));
    EXPECT_FALSE(std::filesystem::exists("/etc/from-up"));
    EXPECT_FALSE(std::filesystem::exists("/etc/from-etc"));
  });
}

TEST_P(BackendConformance, AHostileArchiveIsRefused) {
  in_each_state([this](const std::string& id) {
    const auto refused = [&](std::string tar) { return error_from([&] { put_files(id, "/tmp", std::move(tar)); }).code(); };
    const auto refusals = AnyOf(ErrorCode::invalid_argument, ErrorCode::internal);
    EXPECT_THAT(refused(TarBuilder().file("../escaped", "x").finish()), refusals);
    EXPECT_THAT(refused(TarBuilder().hard_link("stolen", "../etc/passwd").finish()), refusals);
    EXPECT_THAT(refused(TarBuilder().symlink("l", "../../x").finish()), refusals);
    EXPECT_THAT(refused(std::string(2048, 'x')), refusals);
    EXPECT_FALSE(run(files().stat_path({id}, "/tmp")).name.empty()) << "the container is well";
  });
}

TEST_P(BackendConformance, AReadOnlyRootTakesNothing) {
  if (has_no_files()) return;
  auto request = profile().runs_forever();
  request.host_config.emplace();
  request.host_config->readonly_rootfs = true;
  const std::string id = create(std::move(request));
  const Error error = error_from([&] { put_files(id, "/tmp", TarBuilder().file("f", "x").finish()); });
  EXPECT_THAT(error.code(), refusal(ErrorCode::forbidden));
  EXPECT_EQ(error.message(), "container rootfs is marked read-only");
  EXPECT_EQ(run(files().stat_path({id}, "/etc/passwd")).name, "passwd");
}

TEST_P(BackendConformance, AVolumeIsPartOfTheTree) {
  if (has_no_files()) return;
  api::VolumeCreateRequest volume;
  volume.name = "shared";
  run(volumes().create(volume));
  const auto request = [this](const std::string& bind) {
    auto made = profile().runs_forever();
    made.host_config.emplace();
    made.host_config->binds = std::vector<std::string>{bind};
    return made;
  };
  const std::string writer = create(request("shared:/some/where"));
  put_files(writer, "/some/where", TarBuilder().file("f", "in the volume").finish());
  const std::string reader = start_ready(request("shared:/vol:ro"));
  EXPECT_THAT(get_files(reader, "/vol/f"), ElementsAre(std::pair("f", "in the volume")));
  const Error error = error_from([&] { put_files(reader, "/vol", TarBuilder().file("g", "x").finish()); });
  EXPECT_THAT(error.code(), refusal(ErrorCode::forbidden));
  EXPECT_EQ(error.message(), "mounted volume is marked read-only");
  EXPECT_FALSE(members_of(run(read_opened(files().export_files({writer})))).contains("some/where/f")) << "an export is of the root alone";
}

TEST_P(BackendConformance, ChangesNameWhatDiffersFromTheImage) {
  in_each_state([this](const std::string& id) {
    put_files(id, "/", TarBuilder().directory("new").file("new/f", "1").file("etc/passwd", "other\n").finish());
    std::map<std::string, int> changes;
    for (const auto& change : run(files().changes({id}))) changes[change.path] = change.kind;
    EXPECT_THAT(changes, ElementsAre(std::pair("/etc", 0), std::pair("/etc/passwd", 0), std::pair("/new", 1), std::pair("/new/f", 1)));
  });
}

TEST_P(BackendConformance, AnExportIsTheWholeRoot) {
  in_each_state([this](const std::string& id) {
    put_files(id, "/tmp", TarBuilder().file("f", "1").finish());
    const auto members = members_of(run(read_opened(files().export_files({id}))));
    EXPECT_TRUE(members.contains("bin/busybox"));
    EXPECT_TRUE(members.contains("etc/"));
    EXPECT_EQ(members.at("tmp/f"), "1");
  });
}

TEST_P(BackendConformance, ACommittedImageHasTheContainersFilesAndConfiguration) {
  in_each_state([this](const std::string& id) {
    put_files(id, "/tmp", TarBuilder().directory("kept").file("kept/f", "1").finish());
    api::ImageCommitParams params;
    params.container = id;
    params.repo = "committed";
    params.tag = "v1";
    params.comment = "why";
    params.author = "who";
    params.changes = {"ENV ADDED=yes"};
    const std::string image = run(backend().committer()->commit(params, {})).id;
    const auto facts = run(images().inspect({"committed:v1"}));
    EXPECT_EQ(facts.id, image);
    EXPECT_EQ(facts.author, "who");
    EXPECT_EQ(facts.comment, "why");
    EXPECT_EQ(facts.parent, run(images().inspect({kImage})).id);
    EXPECT_EQ(facts.config->cmd, inspect(id).config->cmd);
    EXPECT_THAT(*facts.config->env, testing::Contains("ADDED=yes"));
    const auto history = run(images().history({image}));
    EXPECT_EQ(history.at(0).comment, "why");
    EXPECT_EQ(history.at(1).id, facts.parent);
    auto request = profile().runs_forever();
    request.image = "committed:v1";
    const std::string child = create(request);
    EXPECT_THAT(get_files(child, "/tmp/kept/f"), ElementsAre(std::pair("f", "1")));
    EXPECT_TRUE(run(files().changes({child})).empty());
    force_remove(child);
    run(images().remove({"committed:v1"}, {}));
  });
}

TEST_P(BackendConformance, OnlyWhatExistsIsCommittedAndOnlyUnderAName) {
  if (has_no_files()) return;
  api::ImageCommitParams params;
  params.container = "nobody";
  EXPECT_THAT(error_from([&] { run(backend().committer()->commit(params, {})); }),
              FailsWith(ErrorCode::not_found, "No such container: nobody"));
  params.container = create(profile().runs_forever());
  params.changes = {"RUN something"};
  EXPECT_THAT(error_from([&] { run(backend().committer()->commit(params, {})); }).message(),
              HasSubstr("run is not a valid change command"));
}

}  // namespace
}  // namespace sockerless::conformance
