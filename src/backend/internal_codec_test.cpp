#include "backend/internal_codec.hpp"

#include <gtest/gtest.h>

#include "backend/internal_api.hpp"

namespace sockerless::internal {
namespace {

/// The options as the server reads what the client wrote.
template <typename Options>
Options there_and_back(Options options) {
  OptionWriter writer;
  describe(writer, options);
  const api::Query query = api::Query::parse(writer.query().empty() ? "" : writer.query().substr(1));
  OptionReader reader(query, writer.headers());
  Options read{};
  describe(reader, read);
  return read;
}

TEST(InternalCodec, OptionsSurviveTheQuery) {
  LogOptions logs{.follow = true,
                  .show_stdout = true,
                  .show_stderr = false,
                  .since = TimePoint(std::chrono::nanoseconds(1'700'000'000'123'456'789)),
                  .until = {},
                  .timestamps = true,
                  .details = false,
                  .tail = 12};
  const LogOptions read = there_and_back(logs);
  EXPECT_TRUE(read.follow && read.show_stdout && read.timestamps);
  EXPECT_FALSE(read.show_stderr || read.details);
  EXPECT_EQ(read.since, logs.since);
  EXPECT_EQ(read.until, std::nullopt);
  EXPECT_EQ(read.tail, 12U);
  EXPECT_EQ(there_and_back(LogOptions{}).tail, std::nullopt);

  const StopOptions stop = there_and_back(StopOptions{.signal = "SIGINT", .timeout_seconds = -1});
  EXPECT_EQ(stop.signal, "SIGINT");
  EXPECT_EQ(stop.timeout_seconds, -1);
  EXPECT_EQ(there_and_back(StopOptions{}).signal, std::nullopt);
  EXPECT_EQ(there_and_back(StopOptions{.signal = "", .timeout_seconds = {}}).signal, "") << "given, though empty";

  EXPECT_EQ(there_and_back(RemoveContainerOptions{.force = Force::yes, .volumes = RemoveVolumes::no, .link = true}).force, Force::yes);
  EXPECT_FALSE(there_and_back(DiskUsageOptions{.containers = true, .images = false, .volumes = true, .build_cache = true}).images);
  EXPECT_EQ(there_and_back(WaitQuery{WaitCondition::removed}).condition, WaitCondition::removed);
  EXPECT_EQ(there_and_back(ResizeQuery{{.height = 24, .width = 80}}).size.width, 80);
  const ExecStartOptions exec{.detach = false, .tty = true, .console_size = TerminalSize{.height = 1, .width = 2}};
  EXPECT_EQ(there_and_back(exec).console_size->height, 1);
  EXPECT_EQ(there_and_back(ExecStartOptions{}).console_size.has_value(), false);
}

TEST(InternalCodec, TextOfAnyKindSurvives) {
  ImportImageOptions import;
  import.message = "a & b = c; 100% + ü\n\x01";
  import.changes = {"ENV A=1", "CMD [\"x\", \"y\"]"};
  const ImportImageOptions read = there_and_back(import);
  EXPECT_EQ(read.message, import.message);
  EXPECT_EQ(read.changes, import.changes);

  ListContainersOptions list;
  list.filters.add("label", "a=b&c\"d");
  EXPECT_EQ(there_and_back(list).filters, list.filters);
}

TEST(InternalCodec, CredentialsTravelInAHeader) {
  PullImageOptions pull;
  pull.image = "busybox";
  pull.auth.emplace().password = "secret?>";
  OptionWriter writer;
  describe(writer, pull);
  EXPECT_EQ(writer.query().find("secret"), std::string::npos);
  EXPECT_EQ(there_and_back(pull).auth->password, "secret?>");
  EXPECT_EQ(there_and_back(PullImageOptions{}).auth, std::nullopt);
}

TEST(InternalCodec, EveryBuildParameterSurvives) {
  api::ImageBuildParams build;
  build.t = {"a", "b"};
  build.rm = false;
  build.memory = 1 << 20;
  build.buildargs = R"({"A":"b"})";
  build.x_registry_config = "e30=";
  const auto read = there_and_back(build);
  EXPECT_EQ(read.t, build.t);
  EXPECT_FALSE(read.rm);
  EXPECT_EQ(read.memory, build.memory);
  EXPECT_EQ(read.buildargs, build.buildargs);
  EXPECT_EQ(read.x_registry_config, build.x_registry_config);
  EXPECT_EQ(read.dockerfile, "Dockerfile");
}

TEST(InternalCodec, Base64IsReadInBothAlphabets) {
  for (const std::string& bytes : {std::string(), std::string("a"), std::string("ab"), std::string("abc"), std::string("\xff\xfe\0x", 4)}) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
  }
  EXPECT_EQ(base64_decode("//4="), "\xff\xfe");
  EXPECT_EQ(base64_decode("__4"), "\xff\xfe");
  EXPECT_THROW(base64_decode("a b"), Error);
}

TEST(InternalCodec, ErrorsSurvive) {
  for (const Error& error :
       {Error::not_found("No such container: {}", "x"), Error::conflict("taken"), Error::not_implemented("cannot \"that\"")}) {
    const Error answered = error_of_answer(http_status(error.code()), error_body(error));
    EXPECT_EQ(answered.code(), error.code());
    EXPECT_EQ(answered.message(), error.message());
    const auto line = find_error_line(error_line(error));
    ASSERT_TRUE(line);
    EXPECT_EQ(line->code(), error.code());
    EXPECT_EQ(line->message(), error.message());
    EXPECT_EQ(parse_control(control_error(error)).error->message(), error.message());
    EXPECT_EQ(parse_control(control_stdin_error(error)).stdin_error->code(), error.code());
  }
  EXPECT_EQ(find_error_line(R"({"status":"errorDetail"})"), std::nullopt);
  EXPECT_EQ(error_of_answer(502, "<html>").message(), "the backend answered with status 502");
  EXPECT_THROW(parse_control("not JSON"), Error);
  EXPECT_EQ(parse_control(control_framing(Framing::raw)).framing, Framing::raw);
}

TEST(InternalCodec, PathStatsSurvive) {
  const PathStat stat{.name = "a \"b\"",
                      .size = 1L << 40,
                      .mode = 0x8000'01ED,
                      .mtime = TimePoint(std::chrono::nanoseconds(123456789)),
                      .link_target = "/x"};
  const auto read = api::parse_json<PathStat>(api::to_json(stat));
  EXPECT_EQ(read.name, stat.name);
  EXPECT_EQ(read.size, stat.size);
  EXPECT_EQ(read.mode, stat.mode);
  EXPECT_EQ(read.mtime, stat.mtime);
  EXPECT_EQ(read.link_target, stat.link_target);
}

}  // namespace
}  // namespace sockerless::internal
