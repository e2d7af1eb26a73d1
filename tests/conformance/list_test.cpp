#include "tests/conformance/harness.hpp"

namespace sockerless::conformance {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

api::Filters filter(std::string_view key, std::string_view value) {
  api::Filters filters;
  filters.add(key, value);
  return filters;
}

/// The container's own events, without those of its networks.
api::Filters of_container(std::string_view id) {
  api::Filters filters = filter("container", id);
  filters.add("type", "container");
  return filters;
}

api::ContainerCreateRequest labelled(api::ContainerCreateRequest request, const std::string& key, const std::string& value) {
  if (!request.labels) request.labels.emplace();
  request.labels->insert_or_assign(key, value);
  return request;
}

TEST_P(BackendConformance, TheListShowsWhatRunsUnlessAskedForAll) {
  start(profile().runs_forever(), "runs");
  create(profile().prints({}), "created");
  EXPECT_THAT(names({}, false), ElementsAre("runs"));
  EXPECT_THAT(names({}, true), ElementsAre("created", "runs")) << "the newest first";
}

TEST_P(BackendConformance, TheListCanBeLimitedToTheNewest) {
  for (const char* name : {"one", "two", "three"}) create(profile().prints({}), name);
  const auto newest = run(containers().list({.all = false, .limit = 2, .size = WithSize::no, .filters = {}}));
  ASSERT_EQ(newest.size(), 2U);
  EXPECT_EQ(newest[0].names->front(), "/three");
  EXPECT_EQ(newest[1].names->front(), "/two");
}

TEST_P(BackendConformance, TheListTellsTheEssentials) {
  const std::string id = start(labelled(profile().runs_forever(), "com.example.a", "b"), "essential");
  const auto container = list().front();
  EXPECT_EQ(container.id, id);
  EXPECT_EQ(container.image, kImage);
  EXPECT_EQ(container.state->str(), "running");
  EXPECT_THAT(*container.status, testing::StartsWith("Up "));
  EXPECT_EQ(container.labels->at("com.example.a"), "b");
}

TEST_P(BackendConformance, TheListIsFilteredByLabelNameIdAndStatus) {
  const std::string first = create(labelled(profile().prints({}), "group", "a"), "first");
  create(labelled(profile().prints({}), "group", "b"), "second");
  start(profile().runs_forever(), "third");
  EXPECT_THAT(names(filter("label", "group")), UnorderedElementsAre("first", "second"));
  EXPECT_THAT(names(filter("label", "group=b")), ElementsAre("second"));
  EXPECT_THAT(names(filter("name", "ir")), UnorderedElementsAre("first", "third"));
  EXPECT_THAT(names(filter("name", "^/first$")), ElementsAre("first"));
  EXPECT_THAT(names(filter("id", first.substr(0, 12))), ElementsAre("first"));
  EXPECT_THAT(names(filter("status", "running")), ElementsAre("third"));
  EXPECT_THAT(names(filter("status", "created")), UnorderedElementsAre("first", "second"));
  EXPECT_THAT(names(filter("label", "nothing")), IsEmpty());
}

TEST_P(BackendConformance, TheListIsFilteredByExitCodeAncestorAndAge) {
  run_to_end(create(profile().prints({.out = {}, .err = {}, .exit_code = 5}), "five"));
  create(profile().prints({}), "between");
  run_to_end(create(profile().prints({}), "zero"));
  EXPECT_THAT(names(filter("exited", "5")), ElementsAre("five"));
  EXPECT_THAT(names(filter("exited", "0")), ElementsAre("zero"));
  EXPECT_THAT(names(filter("ancestor", "busybox")), UnorderedElementsAre("five", "between", "zero"));
  EXPECT_THAT(names(filter("before", "between")), ElementsAre("five"));
  EXPECT_THAT(names(filter("since", "between")), ElementsAre("zero"));
}

TEST_P(BackendConformance, AFilterThatIsNotKnownIsRefused) {
  EXPECT_EQ(error_from([&] { list(filter("colour", "blue")); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_from([&] { list(filter("status", "sleeping")); }).code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error_from([&] { list(filter("exited", "many")); }).code(), refusal(ErrorCode::invalid_argument));
  EXPECT_EQ(
      error_from([&] { run(images().list({.all = false, .shared_size = false, .digests = false, .filters = filter("x", "y")})); }).code(),
      ErrorCode::invalid_argument);
  EXPECT_EQ(error_from([&] { run(containers().prune(filter("name", "x"))); }).code(), ErrorCode::invalid_argument);
}

// ---- events

TEST_P(BackendConformance, ARunTellsItsLifeInOrder) {
  const auto stream = events(filter("type", "container"));
  const std::string id = create(labelled(profile().prints({.out = {}, .err = {}, .exit_code = 2}), "colour", "blue"), "told");
  start_again(id);
  wait(id);
  run(containers().remove({id}, {}));
  EXPECT_THAT(actions_until(*stream, "destroy"), ElementsAre("create", "start", "die", "destroy"));
}

TEST_P(BackendConformance, AnEventNamesItsContainer) {
  const auto stream = events(filter("event", "die"));
  const std::string id = start(labelled(profile().prints({.out = {}, .err = {}, .exit_code = 2}), "colour", "blue"), "told");
  const auto event = next_event(*stream, "die");
  EXPECT_EQ(event.actor->id, id);
  const auto& attributes = *event.actor->attributes;
  EXPECT_EQ(attributes.at("exitCode"), "2");
  EXPECT_EQ(attributes.at("name"), "told");
  EXPECT_EQ(attributes.at("image"), kImage);
  EXPECT_EQ(attributes.at("colour"), "blue");
}

TEST_P(BackendConformance, StoppingTellsKillDieAndStop) {
  const std::string id = start_ready(profile().runs_forever());
  const auto stream = events(of_container(id));
  run(containers().stop({id}, {.timeout_seconds = 30}));
  EXPECT_THAT(actions_until(*stream, "stop"), ElementsAre("kill", "die", "stop"));
}

TEST_P(BackendConformance, RestartingTellsTheStopAndTheStart) {
  const std::string id = start_ready(profile().runs_forever());
  const auto stream = events(of_container(id));
  run(containers().restart({id}, {.timeout_seconds = 30}));
  EXPECT_THAT(actions_until(*stream, "restart"), ElementsAre("kill", "die", "stop", "start", "restart"));
}

TEST_P(BackendConformance, RemovingByForceTellsKillDieDestroy) {
  const std::string id = start(profile().runs_forever());
  const auto stream = events(of_container(id));
  force_remove(id);
  EXPECT_THAT(actions_until(*stream, "destroy"), ElementsAre("kill", "die", "destroy"));
}

TEST_P(BackendConformance, PastEventsAreToldUntilTheirEnd) {
  const TimePoint before = system_clock().now();
  const std::string id = start(profile().prints({}));
  wait(id);
  EventOptions options{.since = before, .until = system_clock().now(), .filters = of_container(id)};
  const auto stream = run(backend().system().events(std::move(options)));
  EXPECT_THAT(actions_until(*stream, "never"), ElementsAre("create", "start", "die"));
}

}  // namespace
}  // namespace sockerless::conformance
