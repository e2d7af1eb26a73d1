#include "backends/local/dockerfile.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/error.hpp"

namespace sockerless::local {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Dockerfile parse(std::string_view text) { return Dockerfile::parse(text, "Dockerfile"); }

std::string refusal(std::string_view text) {
  try {
    parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "taken";
}

TEST(Dockerfile, JoinsContinuedLinesAndSkipsComments) {
  const Dockerfile file = parse("# a comment\nFROM busybox\n\nRUN a \\\n  # in between\n\n  && b\n  CMD [\"x\"]");
  ASSERT_EQ(file.stages().size(), 1U);
  const auto& steps = file.stages()[0].instructions;
  ASSERT_EQ(steps.size(), 3U);
  EXPECT_EQ(steps[1].text, "RUN a   && b");
  EXPECT_EQ(steps[1].line, 4U);
  EXPECT_EQ(steps[2].text, "CMD [\"x\"]");
}

TEST(Dockerfile, TheEscapeDirectiveChangesWhatContinuesALine) {
  const Dockerfile file = parse("# syntax=docker/dockerfile:1\n# escape=`\nFROM busybox\nRUN dir c:\\`\n x\nRUN y\n");
  EXPECT_EQ(file.stages()[0].instructions[1].text, "RUN dir c:\\ x");
  EXPECT_EQ(file.stages()[0].instructions.size(), 3U);
  EXPECT_EQ(refusal("# escape=x\nFROM a\n"), "failed to parse Dockerfile: invalid ESCAPE 'x'. Must be ` or \\");
}

TEST(Dockerfile, RefusesInDockersWords) {
  EXPECT_EQ(refusal(""), "the Dockerfile (Dockerfile) cannot be empty");
  EXPECT_EQ(refusal("# only a comment\n"), "failed to parse Dockerfile: file with no instructions");
  EXPECT_EQ(refusal("RUN x\n"), "no build stage in current context");
  EXPECT_EQ(refusal("FROM busybox\nFOO bar\n"), "dockerfile parse error line 2: unknown instruction: FOO");
  EXPECT_EQ(refusal("FROM a b\n"), "dockerfile parse error line 1: FROM requires either one or three arguments");
  EXPECT_EQ(refusal("ARG\nFROM busybox\n"), "dockerfile parse error line 1: ARG requires at least one argument");
  EXPECT_EQ(refusal("FROM busybox\nWORKDIR\n"), "dockerfile parse error line 2: WORKDIR requires exactly one argument");
  EXPECT_EQ(refusal("FROM busybox\nENV A\n"), "failed to parse Dockerfile: ENV must have two arguments");
  EXPECT_EQ(refusal("FROM busybox\nCOPY a\n"),
            "dockerfile parse error line 2: COPY requires at least two arguments, but only one was provided. Destination could not be "
            "determined");
  EXPECT_EQ(refusal("FROM busybox as 1x\n"),
            "dockerfile parse error line 1: invalid name for build stage: \"1x\", name can't start with a number or contain symbols");
  EXPECT_EQ(refusal("FROM busybox\nONBUILD ONBUILD RUN x\n"),
            "dockerfile parse error line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
}

TEST(Dockerfile, FindsTheImagesThatItIsMadeFrom) {
  const Dockerfile file = parse(
      "ARG VERSION=1\nARG BASE=busybox:${VERSION}\nFROM $BASE AS Build\nRUN --mount=type=bind,from=tools,target=/t x\nFROM scratch\n"
      "COPY --from=build /x /x\nCOPY --from=0 /x /x\nCOPY --from=alpine:3 /y /y\nFROM build\nFROM ${MISSING:-other}\n");
  EXPECT_THAT(file.images(3, {}), ElementsAre("busybox:1", "tools", "alpine:3", "other"));
  EXPECT_THAT(file.images(0, {{"VERSION", "2"}}), ElementsAre("busybox:2", "tools"));
  EXPECT_THAT(file.images(0, {{"BASE", "mine"}, {"VERSION", std::nullopt}}), ElementsAre("mine", "tools"));
  EXPECT_EQ(file.base_image(2, {}), std::nullopt);
  EXPECT_THROW(parse("ARG X\nFROM $X\n").images(0, {}), Error);
}

TEST(Dockerfile, AnArgOfAStageDoesNotReachFrom) { EXPECT_THROW(parse("FROM busybox\nARG X=a\nFROM $X\n").images(1, {}), Error); }

TEST(Dockerfile, NamesOfImagesAreReplacedAndNothingElse) {
  const std::string text =
      "FROM busybox AS busybox\nRUN echo busybox \\\n  busybox\nFROM busybox\nCOPY --from=alpine --chown=1 alpine /alpine\nRUN "
      "--mount=from=alpine,target=/alpine x\n";
  EXPECT_EQ(parse(text).with_images({{"busybox", "0123"}, {"alpine", "4567"}}, {}),
            "FROM 0123 AS busybox\nRUN echo busybox   busybox\nFROM busybox\nCOPY --from=4567 --chown=1 alpine /alpine\n"
            "RUN --mount=from=4567,target=/alpine x\n");
}

TEST(Dockerfile, FindsTheTargetByNameAndNumber) {
  const Dockerfile file = parse("FROM a AS one\nFROM b\nFROM c AS three\n");
  EXPECT_EQ(file.find_target(""), 2U);
  EXPECT_EQ(file.find_target("ONE"), 0U);
  EXPECT_EQ(file.find_target("1"), 1U);
  EXPECT_THROW(file.find_target("nope"), Error);
}

TEST(Dockerfile, VariablesHaveDefaultsAndAlternatives) {
  const std::map<std::string, std::string> variables{{"a", "1"}, {"empty", ""}};
  EXPECT_EQ(replace_variables("x$a-${a}${b}y", variables, '\\'), "x1-1y");
  EXPECT_EQ(replace_variables("${b:-${a}}${empty:-z}${a:+q}${b:+q}", variables, '\\'), "1zq");
  EXPECT_EQ(replace_variables("\\$a$", variables, '\\'), "$a$");
  EXPECT_THROW(replace_variables("${a", variables, '\\'), Error);
  EXPECT_THROW(replace_variables("${a/b/c}", variables, '\\'), Error);
  EXPECT_THROW(replace_variables("${}", variables, '\\'), Error);
}

TEST(Dockerfile, ExpansionsAreBounded) {
  std::string doubling = "ARG a0=0123456789\n";
  for (int i = 1; i < 40; ++i) doubling += fmt::format("ARG a{0}=$a{1}$a{1}\n", i, i - 1);
  EXPECT_THROW(parse(doubling + "FROM busybox\n").images(0, {}), Error);
  std::string many = "ARG a=" + std::string(60'000, 'x') + "\n";
  for (int i = 0; i < 40; ++i) many += fmt::format("ARG b{}=$a\n", i);
  EXPECT_THROW(parse(many + "FROM busybox\n").images(0, {}), Error);
  EXPECT_EQ(replace_variables("$a", {{"a", std::string(60'000, 'x')}}, '\\').size(), 60'000U);
  EXPECT_THROW(replace_variables("$a$a", {{"a", std::string(60'000, 'x')}}, '\\'), Error);
}

TEST(Dockerfile, NestedSubstitutionsAreBounded) {
  const auto nested = [](int depth) {
    std::string text = "x";
    for (int i = 0; i < depth; ++i) text = fmt::format("${{a:-{}}}", text);
    return text;
  };
  EXPECT_EQ(replace_variables(nested(32), {}, '\\'), "x");
  EXPECT_THROW(replace_variables(nested(33), {}, '\\'), Error);
  EXPECT_THROW(replace_variables(nested(2'000), {}, '\\'), Error);
}

TEST(Dockerfile, AContinuedInstructionIsBounded) {
  std::string text = "FROM busybox\nRUN x";
  for (int i = 0; i < 40; ++i) text += "\\\n" + std::string(30'000, 'x');
  EXPECT_EQ(refusal(text), "failed to parse Dockerfile: dockerfile instruction greater than max allowed size of 1048576");
}

TEST(Dockerfile, ALongInstructionIsWrittenInLinesThatReadAsIt) {
  std::string text = "FROM busybox\nRUN x";
  for (int i = 0; i < 5; ++i) text += "\\\n" + std::string(30'000, 'x') + " #";
  const Dockerfile file = parse(text);
  const std::string written = file.with_images({}, {});
  EXPECT_GT(std::ranges::count(written, '\n'), 4);
  EXPECT_EQ(parse(written).stages()[0].instructions[1].text, file.stages()[0].instructions[1].text);
}

TEST(Dockerfile, ALineEndsWithOneCarriageReturnAtMost) {
  const Dockerfile file = parse("FROM busybox\r\nRUN a \\\r\n b\r\nRUN c\r\n");
  ASSERT_EQ(file.stages()[0].instructions.size(), 3U);
  EXPECT_EQ(file.stages()[0].instructions[1].text, "RUN a  b");
  // Not continued: the builder would take what follows for an instruction.
  EXPECT_THAT(refusal("FROM busybox\nRUN a \\\r\r\nCOPY --from=oci:/x / /\n"), testing::HasSubstr("line 2: white space after the last"));
}

TEST(Dockerfile, AFlagThatNamesAnImageIsPlain) {
  for (const std::string_view step :
       {"COPY --f\"rom=oci:/x\" / /", "COPY --from='oci:/x' / /", "ADD --fro\\m=oci:/x / /", "COPY --from=$X / /", "COPY --${X}=y / /",
        "RUN --mount=\"from=oci:/x\",target=/m x", "RUN --mount=${M} x", "RUN --mount=from=a,from=oci:/x x",
        "COPY --chown=\"1 2\" --from=oci:/x / /", "COPY --chown=1\xC2\xA0--from=oci:/x / /", "COPY \xC2\xA0--from=oci:/x / /"}) {
    EXPECT_THAT(refusal("FROM busybox\n" + std::string(step) + "\n"), testing::StartsWith("dockerfile parse error line 2: ")) << step;
    EXPECT_THAT(refusal("FROM busybox\nONBUILD " + std::string(step) + "\n"), testing::StartsWith("dockerfile parse error line 2: "))
        << step;
  }
  EXPECT_EQ(refusal("FROM busybox\nCOPY --chown=\"1:1\" --chmod=$MODE a b\nRUN --mount=type=cache,target=/c \"$X\"\n"), "taken");
}

TEST(Dockerfile, ATriggerNamesNoImage) {
  for (const std::string_view step : {"COPY --from=oci:/x / /", "ADD --from=a / /", "RUN --mount=type=bind,from=a,target=/m x"}) {
    EXPECT_THAT(refusal("FROM busybox\nONBUILD " + std::string(step) + "\n"), testing::HasSubstr("isn't allowed as an ONBUILD trigger"));
  }
  EXPECT_EQ(refusal("FROM busybox\nONBUILD COPY --chown=1 a b\nONBUILD RUN --mount=type=cache,target=/c x\n"), "taken");
}

TEST(Dockerfile, TheBuilderReadsTheNamesThatWereReadHere) {
  EXPECT_EQ(parse("ARG X=one\nFROM busybox AS one\nFROM ${X}\nCOPY --from=ab --from=a / /\n")
                .with_images({{"busybox", "0123"}, {"ab", "a4"}, {"a", "5"}}, {}),
            "ARG X=one\nFROM 0123 AS one\nFROM one\nCOPY --from=a4 --from=5 / /\n");
}

TEST(Dockerfile, ListsAreJsonWhereTheyCanBe) {
  EXPECT_THAT(list_words(R"(["a b", "c"])"), ElementsAre("a b", "c"));
  EXPECT_THAT(list_words("['a', b]"), ElementsAre("['a',", "b]"));
  EXPECT_THAT(list_words(""), IsEmpty());
}

}  // namespace
}  // namespace sockerless::local
