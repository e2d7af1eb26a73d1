#include "backends/local/build_output.hpp"

#include <gmock/gmock.h>

namespace sockerless::local {
namespace {

BuildOutput make_output(std::string_view dockerfile, const std::map<std::string, std::string>& ids = {{"busybox", "0123456789abcdef"}},
                        const std::map<std::string, std::string>& labels = {}) {
  const Dockerfile file = Dockerfile::parse(dockerfile, "Dockerfile");
  return BuildOutput(make_plan(file, file.find_target(""), {}, ids, labels));
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += text;
  return all;
}

TEST(BuildOutput, StepsAreWrittenAsDockerWritesThem) {
  BuildOutput output = make_output("ARG X=1\nFROM busybox\nRUN echo hi\n", {{"busybox", "0123456789abcdef"}}, {{"a", "b"}});
  std::string text;
  for (const char c : std::string("STEP 1/3: FROM 0123\nSTEP 2/3: RUN echo hi\nhi\nSTEP 3/3: LABEL \"a\"=\"b\"\nCOMMIT\n")) {
    text += joined(output.feed({&c, 1}));
  }
  text += joined(output.finish(false));
  EXPECT_EQ(text, "Step 1/4 : ARG X=1\nStep 2/4 : FROM busybox\n ---> 0123456789ab\nStep 3/4 : RUN echo hi\nhi\nStep 4/4 : LABEL a=b\n");
}

TEST(BuildOutput, StagesAreCountedThrough) {
  BuildOutput output = make_output("FROM busybox AS a\nRUN x\nFROM scratch AS unused\nCOPY --from=a / /\nFROM a\nRUN y\n");
  EXPECT_EQ(joined(output.feed("[1/3] STEP 1/2: FROM 01 AS a\n[1/3] STEP 2/2: RUN x\n--> Using cache fedcba9876543210\n"
                               "[3/3] STEP 1/2: FROM fedcba9876543210\n[3/3] STEP 2/2: RUN y\n[3/3] COMMIT\n")),
            "Step 1/6 : FROM busybox AS a\n ---> 0123456789ab\nStep 2/6 : RUN x\n ---> Using cache\n ---> fedcba987654\n"
            "Step 5/6 : FROM a\n ---> fedcba987654\nStep 6/6 : RUN y\n");
}

TEST(BuildOutput, WhatARunPrintsIsNotTakenForAStep) {
  BuildOutput output = make_output("FROM busybox\nRUN x\n");
  output.feed("STEP 1/2: FROM 01\nSTEP 2/2: RUN x\n");
  EXPECT_EQ(joined(output.feed("STEP 2/2: RUN x\nSTEP 9/9: y\n[7/7] STEP 1/1: z\nError: mine\n")),
            "STEP 2/2: RUN x\nSTEP 9/9: y\n[7/7] STEP 1/1: z\n");
  EXPECT_EQ(joined(output.finish(false)), "Error: mine\n");
}

TEST(BuildOutput, TriggersOfTheBaseAreNoSteps) {
  BuildOutput output = make_output("FROM busybox\nRUN x\n");
  EXPECT_EQ(joined(output.feed("STEP 1/2: FROM 01\nSTEP 2/4: RUN a\na\nSTEP 3/4: RUN b\nSTEP 4/4: RUN x\nx\nCOMMIT\n")),
            "Step 1/2 : FROM busybox\n ---> 0123456789ab\n# Executing 2 build triggers\na\nStep 2/2 : RUN x\nx\n");
}

TEST(BuildOutput, ATriggerThatFailsIsNamed) {
  BuildOutput output = make_output("FROM busybox\nRUN x\n");
  output.feed("STEP 1/2: FROM 01\nSTEP 2/3: RUN exit 4\nError: building at STEP \"RUN exit 4\": while running runtime: exit status 4\n");
  output.finish(true);
  EXPECT_EQ(output.failure(4).message, "The command '/bin/sh -c exit 4' returned a non-zero code: 4");
}

TEST(BuildOutput, ALineThatIsNotCompleteIsShownAtOnce) {
  BuildOutput output = make_output("FROM busybox\nRUN x\n");
  output.feed("STEP 1/2: FROM 01\nSTEP 2/2: RUN x\n");
  EXPECT_EQ(joined(output.feed("Continue? ")), "Continue? ");
  EXPECT_EQ(joined(output.feed("yes\n")), "yes\n");
}

TEST(BuildOutput, ARunThatFailsIsToldWithItsCommandAndCode) {
  BuildOutput output = make_output("FROM busybox\nSHELL [\"/bin/sh\", \"-ec\"]\nRUN exit 7\n");
  EXPECT_EQ(joined(output.feed("STEP 1/3: FROM 01\nSTEP 2/3: SHELL x\nSTEP 3/3: RUN exit 7\nlast words\n"
                               "Error: building at STEP \"RUN exit 7\": while running runtime: exit status 7\n")),
            "Step 1/3 : FROM busybox\n ---> 0123456789ab\nStep 2/3 : SHELL [\"/bin/sh\", \"-ec\"]\nStep 3/3 : RUN exit 7\nlast words\n");
  EXPECT_EQ(joined(output.finish(true)), "");
  EXPECT_EQ(output.failure(7).message, "The command '/bin/sh -ec exit 7' returned a non-zero code: 7");
  EXPECT_EQ(output.failure(7).exit_code, 7);
}

TEST(BuildOutput, AFileThatIsMissingIsToldInDockersWords) {
  BuildOutput output = make_output("FROM busybox\nCOPY nope /\n");
  output.feed(
      "STEP 1/2: FROM 01\nSTEP 2/2: COPY nope /\nError: building at STEP \"COPY nope /\": checking on sources under \"/w\": "
      "copier: stat: \"/nope\": no such file or directory\n");
  output.finish(true);
  EXPECT_EQ(output.failure(125).message,
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist");
  EXPECT_EQ(output.failure(125).exit_code, 0);
}

TEST(BuildOutput, ALinkThatLeadsNowhereIsAFileThatIsMissing) {
  BuildOutput output = make_output("FROM busybox\nCOPY l /x\n");
  output.feed(
      "STEP 1/2: FROM 01\nSTEP 2/2: COPY l /x\nError: building at STEP \"COPY l /x\": reading \"/w/l\": error during bulk transfer for "
      "copier.request{Request:\"GET\"}: copier: get: lstat \"/l\"(\"/x\"): lstat /x: no such file or directory\n");
  output.finish(true);
  EXPECT_EQ(output.failure(125).message,
            "COPY failed: file not found in build context or excluded by .dockerignore: stat l: file does not exist");
}

TEST(BuildOutput, AUserThatIsMissingIsToldInDockersWords) {
  BuildOutput output = make_output("FROM busybox\nUSER a\nRUN id\n");
  output.feed(
      "STEP 1/3: FROM 01\nSTEP 2/3: USER a\nSTEP 3/3: RUN id\nError: building at STEP \"RUN id\": determining run uid: user: unknown "
      "user error looking up user \"a\"\n");
  output.finish(true);
  EXPECT_EQ(output.failure(125).message, "unable to find user a: no matching entries in passwd file");
}

TEST(BuildOutput, ARuntimesComplaintIsTheFailure) {
  BuildOutput output = make_output("FROM busybox\nRUN [\"/nonexist\"]\n");
  output.feed(
      "STEP 1/2: FROM 01\nSTEP 2/2: RUN [\"/nonexist\"]\nerror running container: from /usr/sbin/runc creating container for "
      "[/nonexist]: time=\"2026\" level=error msg=\"runc create failed: exec: \\\"/nonexist\\\": no such file\"\n: exit status 1\n"
      "Error: building at STEP \"RUN /nonexist\": while running runtime: exit status 1\n");
  output.finish(true);
  EXPECT_EQ(output.failure(1).message, "OCI runtime create failed: runc create failed: exec: \"/nonexist\": no such file");
}

}  // namespace
}  // namespace sockerless::local
