#include "sockerless/diagnosis.hpp"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sockerless {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr gid_t kDocker = 998;

/// me (1000, group 1000) before root's socket for the group docker (998), mode 0660.
ConnectFacts refused() {
  ConnectFacts facts;
  facts.path = "/var/run/docker.sock";
  facts.error_number = EACCES;
  facts.exists = true;
  facts.is_socket = true;
  facts.owner = {.id = 0, .name = "root"};
  facts.group = {.id = kDocker, .name = "docker"};
  facts.mode = 0660;
  facts.user = {.id = 1000, .name = "me"};
  facts.process_groups = {1000, 27};
  facts.database_groups = {1000, 27};
  return facts;
}

ConnectFacts missing() {
  ConnectFacts facts = refused();
  facts.error_number = ENOENT;
  facts.exists = facts.is_socket = false;
  return facts;
}

ConnectFacts dead() {
  ConnectFacts facts = refused();
  facts.error_number = ECONNREFUSED;
  facts.process_groups.push_back(kDocker);
  return facts;
}

ConnectProblem problem_of(const ConnectFacts& facts) { return diagnose_connect(facts).problem; }
std::string text_of(const ConnectFacts& facts) { return diagnose_connect(facts).text(); }

// ---- permission

TEST(Diagnosis, SaysWhichGroupTheUserIsNotIn) {
  EXPECT_EQ(problem_of(refused()), ConnectProblem::not_in_group);
  EXPECT_THAT(text_of(refused()),
              AllOf(HasSubstr("me is not in the group docker (998) that may use /var/run/docker.sock (mode 0660)"),
                    HasSubstr("sudo usermod --append --groups docker me"), HasSubstr("as good as root"), HasSubstr("rootless")));
}

TEST(Diagnosis, GivesAGroupWithoutANameOne) {
  ConnectFacts facts = refused();
  facts.group.name.clear();
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_in_group);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("the group 998 that"), HasSubstr("groupadd --gid 998")));
}

TEST(Diagnosis, AddsTheHostsGroupToAContainer) {
  ConnectFacts facts = refused();
  facts.in_container = true;
  facts.group.name.clear();
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_in_group);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("--group-add 998"), HasSubstr("group_add: [\"998\"]"), Not(HasSubstr("usermod"))));
}

TEST(Diagnosis, DoesNotAddAGroupThatHasNoNumberInTheContainer) {
  ConnectFacts facts = refused();
  facts.in_container = facts.in_user_namespace = true;
  facts.group = {.id = 65534, .name = "nogroup"};
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_in_group);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("--userns=host"), Not(HasSubstr("group-add"))));
}

TEST(Diagnosis, KnowsASessionThatIsOlderThanTheMembership) {
  ConnectFacts facts = refused();
  facts.database_groups.push_back(kDocker);
  EXPECT_EQ(problem_of(facts), ConnectProblem::stale_login);
  EXPECT_THAT(text_of(facts),
              AllOf(HasSubstr("me is in the group docker (998)"), HasSubstr("log out and in again"), HasSubstr("newgrp docker")));
  facts.group.name.clear();
  EXPECT_THAT(text_of(facts), Not(HasSubstr("newgrp")));
}

TEST(Diagnosis, KnowsASocketThatIsForNoGroup) {
  ConnectFacts facts = refused();
  facts.mode = 0600;
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_permitted);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("lets no group in"), HasSubstr("--group")));
  facts.mode = 0060;
  facts.owner.id = 1000;
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_permitted) << "the owner's bits count for the owner, whatever the group may";
  facts = refused();
  facts.mode = 0606;
  facts.process_groups.push_back(kDocker);
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_permitted) << "the group's bits count for a member, whatever others may";
}

TEST(Diagnosis, PointsToTheUsersOwnDaemon) {
  ConnectFacts facts = refused();
  facts.answering_sockets = {"/run/user/1000/docker.sock"};
  EXPECT_EQ(problem_of(facts), ConnectProblem::rootless_elsewhere);
  const ConnectDiagnosis found = diagnose_connect(facts);
  EXPECT_THAT(found.summary, AllOf(HasSubstr("not in the group docker"), HasSubstr("/run/user/1000/docker.sock")));
  EXPECT_THAT(found.ways_out.front(), HasSubstr("DOCKER_HOST=unix:///run/user/1000/docker.sock"));
}

TEST(Diagnosis, KeepsToTheSocketThatWasChosenButTellsOfTheOther) {
  ConnectFacts facts = refused();
  facts.source = EndpointSource::docker_host;
  facts.answering_sockets = {"/run/user/1000/docker.sock"};
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_in_group);
  EXPECT_THAT(diagnose_connect(facts).ways_out.back(), HasSubstr("/run/user/1000/docker.sock"));
}

TEST(Diagnosis, BlamesSelinuxWhenPermissionsAllowIt) {
  ConnectFacts facts = refused();
  facts.selinux_enforcing = true;
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_in_group) << "the permissions say no first";
  facts.process_groups.push_back(kDocker);
  EXPECT_EQ(problem_of(facts), ConnectProblem::selinux_denial);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("SELinux refuses"), HasSubstr("ausearch")));
  facts.in_container = true;
  EXPECT_THAT(text_of(facts), HasSubstr("--security-opt label=disable"));
}

TEST(Diagnosis, BlamesAppArmorWhenPermissionsAllowIt) {
  ConnectFacts facts = refused();
  facts.apparmor_profile = "snap.tool";
  facts.overrides_permissions = true;
  EXPECT_EQ(problem_of(facts), ConnectProblem::apparmor_denial);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("the AppArmor profile snap.tool refuses"), HasSubstr("/var/run/docker.sock rw,")));
}

TEST(Diagnosis, AdmitsThatItDoesNotKnow) {
  ConnectFacts facts = refused();
  facts.owner.id = 1000;
  EXPECT_EQ(problem_of(facts), ConnectProblem::unknown);
  EXPECT_THAT(text_of(facts), HasSubstr("sandbox"));
  facts.has_acl = true;
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("with an access list"), HasSubstr("getfacl /var/run/docker.sock")));
  facts.error_number = EAGAIN;
  EXPECT_EQ(problem_of(facts), ConnectProblem::unknown);
  EXPECT_THAT(text_of(facts), HasSubstr("Resource temporarily unavailable"));
}

TEST(Diagnosis, NamesTheDirectoryThatBarsTheWay) {
  ConnectFacts facts = missing();
  facts.error_number = EACCES;
  facts.path = "/srv/docker/docker.sock";
  facts.barrier =
      ConnectFacts::Barrier{.path = "/srv/docker", .owner = {.id = 0, .name = "root"}, .group = {.id = 5, .name = "ops"}, .mode = 0750};
  EXPECT_EQ(problem_of(facts), ConnectProblem::directory_not_searchable);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("me may not pass the directory /srv/docker on the way to /srv/docker/docker.sock"),
                                    HasSubstr("mode 0750"), HasSubstr("--groups ops me")));
  facts.barrier->mode = 0700;
  EXPECT_THAT(text_of(facts), Not(HasSubstr("usermod")));
  facts.path = "/run/user/1001/docker.sock";
  facts.barrier->path = "/run/user/1001";
  facts.answering_sockets = {"/run/user/1000/docker.sock"};
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("its owner's alone"), HasSubstr("DOCKER_HOST=unix:///run/user/1000/docker.sock")));
}

// ---- no socket, no daemon

TEST(Diagnosis, SaysThatThereIsNoSuchFile) {
  EXPECT_EQ(problem_of(missing()), ConnectProblem::no_such_file);
  EXPECT_THAT(text_of(missing()), AllOf(HasSubstr("there is no /var/run/docker.sock"), HasSubstr("systemctl start docker")));
  ConnectFacts facts = missing();
  facts.in_container = true;
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("--volume /var/run/docker.sock:/var/run/docker.sock"), Not(HasSubstr("systemctl"))));
}

TEST(Diagnosis, NamesTheTargetOfADanglingLink) {
  ConnectFacts facts = missing();
  facts.link_target = "/home/me/.docker/run/docker.sock";
  EXPECT_EQ(problem_of(facts), ConnectProblem::dangling_link);
  EXPECT_THAT(text_of(facts),
              HasSubstr("/var/run/docker.sock is a symbolic link to /home/me/.docker/run/docker.sock, which does not exist"));
}

TEST(Diagnosis, SaysThatNobodyListens) {
  EXPECT_EQ(problem_of(dead()), ConnectProblem::nobody_listening);
  EXPECT_THAT(text_of(dead()), AllOf(HasSubstr("nobody listens at /var/run/docker.sock"), HasSubstr("journalctl")));
}

TEST(Diagnosis, SaysThatItIsNoSocket) {
  ConnectFacts facts = dead();
  facts.is_socket = false;
  EXPECT_EQ(problem_of(facts), ConnectProblem::not_a_socket);
}

TEST(Diagnosis, PointsToAnotherDaemonWhereNothingWasChosen) {
  for (ConnectFacts facts : {missing(), dead()}) {
    facts.answering_sockets = {"/home/me/.colima/default/docker.sock"};
    EXPECT_EQ(problem_of(facts), ConnectProblem::rootless_elsewhere);
    EXPECT_THAT(diagnose_connect(facts).ways_out.front(), HasSubstr("DOCKER_HOST=unix:///home/me/.colima/default/docker.sock"));
  }
}

TEST(Diagnosis, BlamesTheContextThatLeadsNowhere) {
  ConnectFacts facts = missing();
  facts.path = "/home/me/.docker/desktop/docker.sock";
  facts.source = EndpointSource::current_context;
  facts.context = "desktop-linux";
  EXPECT_EQ(problem_of(facts), ConnectProblem::no_such_file) << "no other daemon answers: the context may be right";
  facts.answering_sockets = {"/var/run/docker.sock"};
  EXPECT_EQ(problem_of(facts), ConnectProblem::wrong_context);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("the docker context \"desktop-linux\""), HasSubstr("docker context use default")));
  facts.answering_sockets = {"/run/user/1000/docker.sock"};
  EXPECT_THAT(text_of(facts), HasSubstr("DOCKER_HOST=unix:///run/user/1000/docker.sock"));
  facts.source = EndpointSource::docker_context;
  EXPECT_THAT(text_of(facts), HasSubstr("from DOCKER_CONTEXT"));
}

TEST(Diagnosis, BlamesDockerHostThatLeadsNowhere) {
  ConnectFacts facts = dead();
  facts.path = "/tmp/gone.sock";
  facts.source = EndpointSource::docker_host;
  facts.answering_sockets = {"/var/run/docker.sock"};
  EXPECT_EQ(problem_of(facts), ConnectProblem::wrong_context);
  EXPECT_THAT(text_of(facts), AllOf(HasSubstr("DOCKER_HOST leads to /tmp/gone.sock"), HasSubstr("unset DOCKER_HOST")));
  facts.answering_sockets = {"/run/user/1000/docker.sock"};
  EXPECT_THAT(text_of(facts), HasSubstr("set DOCKER_HOST=unix:///run/user/1000/docker.sock"));
}

TEST(Diagnosis, DoesNotBlameAContextForAPathThatTheProgramGave) {
  ConnectFacts facts = dead();
  facts.source = EndpointSource::caller;
  facts.answering_sockets = {"/run/user/1000/docker.sock"};
  EXPECT_EQ(problem_of(facts), ConnectProblem::nobody_listening);
  EXPECT_THAT(text_of(facts), HasSubstr("/run/user/1000/docker.sock"));
  facts.context = "given";
  EXPECT_EQ(problem_of(facts), ConnectProblem::wrong_context);
  EXPECT_THAT(text_of(facts), HasSubstr("the given docker context \"given\""));
}

// ---- all of it

/// Every combination of the facts that decide, whether it can happen or not.
template <typename F>
void for_all_facts(F check) {
  for (unsigned bits = 0; bits < (1U << 13U); ++bits) {
    const auto bit = [bits](unsigned n) { return (bits >> n & 1U) != 0; };
    ConnectFacts facts = refused();
    facts.exists = bit(0);
    facts.is_socket = bit(0) && bit(1);
    facts.error_number = bit(2) ? EACCES : (bit(3) ? ECONNREFUSED : ENOENT);
    facts.mode = bit(3) ? 0660 : 0600;
    if (bit(4)) facts.process_groups.push_back(kDocker);
    if (bit(5)) facts.database_groups.push_back(kDocker);
    facts.in_container = bit(6);
    facts.selinux_enforcing = bit(7);
    if (bit(8)) facts.apparmor_profile = "p";
    if (bit(9)) facts.answering_sockets = {"/run/user/1000/docker.sock"};
    facts.source = bit(10) ? EndpointSource::docker_host : EndpointSource::default_socket;
    if (bit(11)) facts.group.name.clear();
    if (bit(12)) facts.barrier = ConnectFacts::Barrier{.path = "/srv", .owner = {}, .group = {}, .mode = 0750};
    check(facts);
  }
}

TEST(Diagnosis, NeverOpensTheSocketToEverybody) {
  for_all_facts([](const ConnectFacts& facts) {
    const std::string text = text_of(facts);
    ASSERT_THAT(text, Not(testing::ContainsRegex("chmod|0?666|0?777|[^a-z]o\\+|setfacl|--privileged"))) << text;
  });
}

TEST(Diagnosis, AlwaysNamesTheProblemAndAWayOut) {
  for_all_facts([](const ConnectFacts& facts) {
    const ConnectDiagnosis found = diagnose_connect(facts);
    ASSERT_FALSE(found.summary.empty());
    ASSERT_NE(name_of(found.problem), "");
    ASSERT_TRUE(!found.ways_out.empty() || found.problem == ConnectProblem::unknown) << found.summary;
    ASSERT_EQ(found.text().find('\n'), std::string::npos);
  });
}

}  // namespace
}  // namespace sockerless
