#include "oci/dockerfile_changes.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/test_support.hpp"

namespace sockerless::oci {
namespace {

using testing_support::message_of;

std::string changed(const char* member, const std::vector<std::string>& changes) {
  return boost::json::serialize(apply_changes(make_empty_config(), changes)[member]);
}

std::string failure(const std::string& change) {
  return message_of([&] { apply_changes({}, {change}); });
}

TEST(DockerfileChanges, CommandsComeInBothForms) {
  EXPECT_EQ(changed("Cmd", {R"(CMD ["a","b c"])"}), R"(["a","b c"])");
  EXPECT_EQ(changed("Cmd", {"CMD echo $HOME 'x y'"}), R"(["/bin/sh","-c","echo $HOME 'x y'"])");
  EXPECT_EQ(changed("Cmd", {"cmd [not json"}), R"(["/bin/sh","-c","[not json"])");
  EXPECT_EQ(changed("Entrypoint", {R"(ENTRYPOINT ["/e"])"}), R"(["/e"])");
  EXPECT_EQ(changed("Entrypoint", {"ENTRYPOINT /e x"}), R"(["/bin/sh","-c","/e x"])");
  EXPECT_EQ(failure("CMD [1]"), "when using JSON array syntax, arrays must be comprised of strings only");
}

TEST(DockerfileChanges, AnEntrypointTakesAnOlderCommandAway) {
  boost::json::object config = make_empty_config();
  config["Cmd"] = boost::json::array{"old"};
  EXPECT_TRUE(apply_changes(config, {"ENTRYPOINT /e"})["Cmd"].is_null());
  EXPECT_FALSE(apply_changes(config, {"CMD new", "ENTRYPOINT /e"})["Cmd"].is_null());
}

TEST(DockerfileChanges, EnvironmentAndLabelsTakeQuotesAndVariables) {
  EXPECT_EQ(changed("Env", {R"(ENV A=1 B="two words" C='$A' D=$A-${B} E=x\ y)"}), R"(["A=1","B=two words","C=$A","D=-","E=x y"])");
  EXPECT_EQ(changed("Env", {"ENV A=1", "ENV B=$A-${A}-${X:-d$A}-${A:+set}"}), R"(["A=1","B=1-1-d1-set"])");
  EXPECT_EQ(changed("Env", {"ENV A=1 B=2", "ENV A=3"}), R"(["A=3","B=2"])");
  EXPECT_EQ(changed("Env", {"ENV OLD form with blanks"}), R"(["OLD=form with blanks"])");
  EXPECT_EQ(changed("Labels", {R"(LABEL a.b="c \"d\"" e=)"}), R"({"a.b":"c \"d\"","e":""})");
  EXPECT_EQ(failure("ENV"), "ENV requires at least one argument");
  EXPECT_EQ(failure("ENV A"), "ENV must have two arguments");
  EXPECT_EQ(failure("ENV A=1 B"), "Syntax error - can't find = in \"B\". Must be of the form: name=value");
  EXPECT_EQ(failure("ENV =1"), "ENV names can not be blank");
  EXPECT_NE(failure("ENV A=\"open"), "");
}

TEST(DockerfileChanges, ExposeTakesRangesAndProtocols) {
  EXPECT_EQ(changed("ExposedPorts", {"EXPOSE 80 53/UDP 8000-8002"}),
            R"({"80/tcp":{},"53/udp":{},"8000/tcp":{},"8001/tcp":{},"8002/tcp":{}})");
  EXPECT_EQ(failure("EXPOSE 80/icmp"), "Invalid proto: icmp");
  EXPECT_EQ(failure("EXPOSE 70000"), "Invalid containerPort: 70000");
  EXPECT_EQ(failure("EXPOSE 9-8"), "Invalid containerPort: 9-8");
  EXPECT_EQ(failure("EXPOSE"), "EXPOSE requires at least one argument");
}

TEST(DockerfileChanges, TheOthers) {
  EXPECT_EQ(changed("User", {"USER app:grp"}), R"("app:grp")");
  EXPECT_EQ(changed("WorkingDir", {"WORKDIR /a", "WORKDIR b/../c"}), R"("/a/c")");
  EXPECT_EQ(changed("Volumes", {R"(VOLUME ["/x","/y z"])", "VOLUME /q"}), R"({"/x":{},"/y z":{},"/q":{}})");
  EXPECT_EQ(changed("OnBuild", {"ONBUILD RUN echo x"}), R"(["RUN echo x"])");
  EXPECT_EQ(changed("StopSignal", {"STOPSIGNAL SIGINT"}), R"("SIGINT")");
  EXPECT_EQ(changed("Healthcheck", {"HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f x"}),
            R"({"Test":["CMD-SHELL","curl -f x"],"Interval":90000000000,"Timeout":500000000,"Retries":3})");
  EXPECT_EQ(changed("Healthcheck", {R"(HEALTHCHECK CMD ["a","b"])"}), R"({"Test":["CMD","a","b"]})");
  EXPECT_EQ(changed("Healthcheck", {"HEALTHCHECK NONE"}), R"({"Test":["NONE"]})");
  EXPECT_EQ(failure("HEALTHCHECK NONE x"), "HEALTHCHECK NONE takes no arguments");
  EXPECT_EQ(failure("HEALTHCHECK CMD"), "Missing command after HEALTHCHECK CMD");
  EXPECT_EQ(failure("HEALTHCHECK --bogus=1 CMD x"), "Unknown flag: bogus");
  EXPECT_EQ(failure("HEALTHCHECK --interval=1us CMD x"), "Interval \"interval\" cannot be less than 1ms");
  EXPECT_EQ(failure("HEALTHCHECK --interval=soon CMD x"), "time: invalid duration \"soon\"");
  EXPECT_EQ(failure("ONBUILD FROM x"), "FROM isn't allowed as an ONBUILD trigger");
  EXPECT_EQ(failure("ONBUILD onbuild RUN x"), "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  EXPECT_EQ(failure("RUN rm -rf /"), "run is not a valid change command");
  EXPECT_EQ(failure("FROM x"), "from is not a valid change command");
  EXPECT_EQ(failure("USER"), "USER requires exactly one argument");
}

TEST(DockerfileChanges, LinesContinueAndCommentsDoNot) {
  EXPECT_EQ(changed("Cmd", {"# a comment\nCMD echo \\\n  x", "\n", "  USER u"}), R"(["/bin/sh","-c","echo   x"])");
  EXPECT_EQ(failure("# nothing"), "file with no instructions");
  EXPECT_EQ(boost::json::serialize(apply_changes(make_empty_config(), {})), boost::json::serialize(make_empty_config()));
}

TEST(GoDuration, IsReadAsGoReadsIt) {
  EXPECT_EQ(parse_go_duration("1h2m3.5s"), 3'723'500'000'000);
  EXPECT_EQ(parse_go_duration("0"), 0);
  EXPECT_EQ(parse_go_duration("-1ms"), -1'000'000);
  EXPECT_EQ(parse_go_duration("1\u00b5s"), 1000);
  for (const char* bad : {"", "1", "s", "1x", "1e3s", "9999999999h", "--1s", "1 s"})
    EXPECT_NE(message_of([&] { parse_go_duration(bad); }), "") << bad;
}

TEST(ImportDocument, IsWhatDockerWrites) {
  const Digest diff_id = Digest::of(std::string_view("x"));
  const std::string raw = make_import_document(make_empty_config(), {"linux", "amd64", ""}, diff_id, TimePoint{}, "Imported from -");
  const ImageDocument image = ImageDocument::parse(raw);
  EXPECT_EQ(image.comment, "Imported from -");
  EXPECT_EQ(image.history.at(0).comment, "Imported from -");
  EXPECT_EQ(image.diff_ids.at(0), diff_id);
  EXPECT_EQ(format_rfc3339(image.created.value()), "1970-01-01T00:00:00Z");
  const auto value = boost::json::parse(raw);
  std::vector<std::string> members;
  for (const auto& member : value.as_object()) members.emplace_back(member.key());
  EXPECT_TRUE(std::ranges::is_sorted(members));
}

}  // namespace
}  // namespace sockerless::oci
