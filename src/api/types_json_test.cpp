#include "api/types_json.hpp"

#include <fstream>
#include <sstream>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::api {
namespace {

namespace json = boost::json;

template <typename T>
std::string failure(std::string_view text) {
  try {
    parse_json<T>(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "no failure";
}

/// What the docker command line (28.1) sends for
/// `docker create --name web -e A=1 -p 8080:80 --memory 64m --cpus 1.5 --restart on-failure:3 --network front busybox sh -c 'echo hi'`.
constexpr std::string_view kCreateBody =
    R"({"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"80/tcp":{}},)"
    R"("Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["A=1"],"Cmd":["sh","-c","echo hi"],"Image":"busybox","Volumes":{},)"
    R"("WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{},)"
    R"("HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"front",)"
    R"("PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},)"
    R"("AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[24,80],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"",)"
    R"("Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,)"
    R"("PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"",)"
    R"("ShmSize":0,"Isolation":"","CpuShares":0,"Memory":67108864,"NanoCpus":1500000000,"CgroupParent":"","BlkioWeight":0,)"
    R"("BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],)"
    R"("CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],)"
    R"("DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,)"
    R"("PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},)"
    R"("NetworkingConfig":{"EndpointsConfig":{"front":{"IPAMConfig":null,"Links":null,"Aliases":["web"],"MacAddress":"","DriverOpts":null,)"
    R"("GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"",)"
    R"("GlobalIPv6PrefixLen":0,"DNSNames":null}}}})";

TEST(TypesJson, ReadsACreateBodyAndWritesTheSameValue) {
  const auto request = parse_json<ContainerCreateRequest>(kCreateBody);
  EXPECT_EQ(request.image, "busybox");
  EXPECT_THAT(*request.cmd, testing::ElementsAre("sh", "-c", "echo hi"));
  EXPECT_FALSE(request.entrypoint.has_value());
  EXPECT_TRUE(request.exposed_ports->contains("80/tcp"));
  EXPECT_EQ(request.host_config->memory, 67108864);
  EXPECT_EQ(request.host_config->nano_cpus, 1500000000);
  EXPECT_EQ(request.host_config->restart_policy->name, RestartPolicyName::on_failure);
  EXPECT_EQ(request.host_config->port_bindings->at("80/tcp")->at(0).host_port, "8080");
  EXPECT_THAT(*request.host_config->console_size, testing::ElementsAre(24, 80));
  EXPECT_THAT(*request.networking_config->endpoints_config->at("front").aliases, testing::ElementsAre("web"));
  EXPECT_TRUE(request.unknown.empty());
  const std::string text = to_json(request);
  EXPECT_EQ(json::parse(text), json::parse(kCreateBody));
  EXPECT_EQ(parse_json<ContainerCreateRequest>(text), request);
}

TEST(TypesJson, WritesUnsetMembersAsDockerdDoes) {
  EXPECT_EQ(
      to_json(ContainerConfig{.cmd = {{"sh"}}, .image = "busybox"}),
      R"({"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,)"
      R"("OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["sh"],"Image":"busybox","Volumes":null,"WorkingDir":"","Entrypoint":null,)"
      R"("OnBuild":null,"Labels":null})");
  EXPECT_EQ(
      to_json(HostConfig{}),
      R"({"CpuShares":0,"Memory":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":null,"BlkioDeviceReadBps":null,)"
      R"("BlkioDeviceWriteBps":null,"BlkioDeviceReadIOps":null,"BlkioDeviceWriteIOps":null,"CpuPeriod":0,"CpuQuota":0,)"
      R"("CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":null,"DeviceCgroupRules":null,)"
      R"("DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":null,"NanoCpus":0,"OomKillDisable":null,)"
      R"("PidsLimit":null,"Ulimits":null,"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"Binds":null,)"
      R"("ContainerIDFile":"","LogConfig":{"Type":"","Config":null},"NetworkMode":"","PortBindings":null,)"
      R"("RestartPolicy":{"Name":"","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],)"
      R"("CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":null,"DnsOptions":null,"DnsSearch":null,"ExtraHosts":null,"GroupAdd":null,)"
      R"("IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,)"
      R"("ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","MaskedPaths":null,)"
      R"("ReadonlyPaths":null})");
}

TEST(TypesJson, UnknownMembersSurviveInEveryObject) {
  const auto request = parse_json<ContainerCreateRequest>(
      R"({"Image":"a","Future":{"n": 12345678901234567890123, "f": 1.10},"HostConfig":{"NewKnob":[1, 2],"Memory":1},"Z":"<"})");
  ASSERT_EQ(request.unknown.size(), 2U);
  EXPECT_EQ(request.unknown[0].first, "Future");
  EXPECT_EQ(request.unknown[0].second.text, R"({"n":12345678901234567890123,"f":1.10})");
  // What the engine keeps of a create is its ContainerConfig and HostConfig: both carry what they did not know.
  const auto kept = to_json(static_cast<const ContainerConfig&>(request));
  EXPECT_THAT(kept, testing::HasSubstr(R"("Future":{"n":12345678901234567890123,"f":1.10},"Z":"\u003c")"));
  EXPECT_THAT(to_json(*request.host_config), testing::HasSubstr(R"("NewKnob":[1,2])"));
}

TEST(TypesJson, NumbersBeyondTheMantissaStayExact) {
  const auto request = parse_json<ContainerCreateRequest>(R"({"HostConfig":{"Memory":9007199254740993}})");
  EXPECT_EQ(request.host_config->memory, 9007199254740993);
  EXPECT_THAT(to_json(request), testing::HasSubstr(R"("Memory":9007199254740993,)"));
}

TEST(TypesJson, NamesOfMembersAreReadInAnyCaseTheExactOneFirst) {
  EXPECT_EQ(parse_json<ContainerCreateRequest>(R"({"image":"a","hostconfig":{"MEMORY":5}})").host_config->memory, 5);
  const auto stats = parse_json<EventMessage>(R"({"id":"lower","ID":"upper"})");
  EXPECT_EQ(stats.id, "upper");  // no exact member ID: the last of equal names wins, as in Go
}

TEST(TypesJson, ACommandMayBeOneString) {
  const auto request = parse_json<ContainerCreateRequest>(R"({"Cmd":"date","Entrypoint":["a","b"],"HostConfig":{"CapAdd":"NET_ADMIN"}})");
  EXPECT_THAT(*request.cmd, testing::ElementsAre("date"));
  EXPECT_THAT(*request.entrypoint, testing::ElementsAre("a", "b"));
  EXPECT_THAT(*request.host_config->cap_add, testing::ElementsAre("NET_ADMIN"));
  EXPECT_EQ(failure<ContainerExecRequest>(R"({"Cmd":"date"})"),
            "invalid JSON: json: cannot unmarshal string into Go struct field ContainerExecRequest.Cmd of type []string");
}

TEST(TypesJson, AbsentNullAndEmptyListsDiffer) {
  EXPECT_FALSE(parse_json<ContainerCreateRequest>(R"({"Entrypoint":null})").entrypoint.has_value());
  EXPECT_TRUE(parse_json<ContainerCreateRequest>(R"({"Entrypoint":[]})").entrypoint->empty());
}

TEST(TypesJson, AnUnpublishedPortIsNull) {
  NetworkSettings settings;
  settings.ports.emplace()["80/tcp"] = std::nullopt;
  EXPECT_THAT(to_json(settings), testing::HasSubstr(R"("Ports":{"80/tcp":null})"));
  EXPECT_EQ(parse_json<NetworkSettings>(to_json(settings)).ports, settings.ports);
}

TEST(TypesJson, EnumsKeepWhatTheyDoNotKnow) {
  const auto state = parse_json<ContainerState>(R"({"Status":"levitating"})");
  EXPECT_EQ(state.status->value(), ContainerStateStatus::other);
  EXPECT_EQ(state.status->str(), "levitating");
  EXPECT_THAT(to_json(state), testing::HasSubstr(R"("Status":"levitating")"));
  EXPECT_EQ(ContainerStateStatus(std::string_view("running")), ContainerStateStatus::running);
  EXPECT_EQ(RestartPolicyName().value(), RestartPolicyName::empty);
}

TEST(TypesJson, WrongTypesAreNamedInGosWords) {
  EXPECT_EQ(failure<ContainerCreateRequest>(R"({"HostConfig":{"Memory":"much"}})"),
            "invalid JSON: json: cannot unmarshal string into Go struct field HostConfig.HostConfig.Memory of type int64");
  EXPECT_EQ(failure<ContainerCreateRequest>(R"({"Env":"A=1"})"),
            "invalid JSON: json: cannot unmarshal string into Go struct field ContainerCreateRequest.Env of type []string");
  EXPECT_EQ(failure<ContainerCreateRequest>(R"({"Labels":{"a":1}})"),
            "invalid JSON: json: cannot unmarshal number into Go struct field ContainerCreateRequest.Labels of type string");
  EXPECT_EQ(failure<ContainerCreateRequest>(R"({"Tty":1})"),
            "invalid JSON: json: cannot unmarshal number into Go struct field ContainerCreateRequest.Tty of type bool");
  EXPECT_EQ(failure<ContainerCreateRequest>("[]"),
            "invalid JSON: json: cannot unmarshal array into Go value of type ContainerCreateRequest");
  EXPECT_EQ(failure<ContainerCreateRequest>(R"({"Image":"a"}{})"), "unexpected content after JSON");
}

TEST(TypesJson, EventsCarryTheOldMembersFirst) {
  EventMessage event;
  event.status = "die";
  event.id = "abc";
  event.from = "busybox";
  event.type = EventMessageType::container;
  event.action = "die";
  event.actor = EventActor{.id = "abc", .attributes = {{{"exitCode", "0"}}}};
  event.scope = EventMessageScope::local;
  event.time = 1700000000;
  event.time_nano = 1700000000123456789;
  EXPECT_EQ(to_json(event),
            R"({"status":"die","id":"abc","from":"busybox","Type":"container","Action":"die","Actor":{"ID":"abc","Attributes":)"
            R"({"exitCode":"0"}},"scope":"local","time":1700000000,"timeNano":1700000000123456789})");
}

// --- against the documents -----------------------------------------------------------------------------------------------------------

json::object document(const std::string& name) {
  std::ifstream file(std::string(SOCKERLESS_API_DOCUMENTS) + "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return json::parse(text.str()).as_object();
}

/// A value with every member that the schema names.
class Sampler {
 public:
  explicit Sampler(const json::object& definitions) : definitions_(definitions) {}

  json::value sample(const json::object& schema) const {
    if (const auto* reference = schema.if_contains("$ref")) return sample(definitions_.at(reference->as_string()).as_object());
    json::object out;
    if (const auto* parts = schema.if_contains("allOf")) {
      for (const json::value& part : parts->as_array()) {
        const json::value value = sample(part.as_object());
        if (!value.is_object()) return value;
        for (const auto& member : value.as_object()) out.insert_or_assign(member.key(), member.value());
      }
    }
    if (const auto* properties = schema.if_contains("properties")) {
      for (const auto& member : properties->as_object()) out.insert_or_assign(member.key(), sample(member.value().as_object()));
    }
    if (!out.empty()) return out;
    if (const auto* additional = schema.if_contains("additionalProperties"); additional != nullptr && additional->is_object()) {
      return json::object{{"key", sample(additional->as_object())}};
    }
    return sample_plain(schema);
  }

 private:
  json::value sample_plain(const json::object& schema) const {
    const auto* type = schema.if_contains("type");
    if (type == nullptr) return json::object{};
    const std::string_view kind = type->as_string();
    if (kind == "array") return json::array{sample(schema.at("items").as_object())};
    if (kind == "string") return schema.contains("enum") ? schema.at("enum").as_array().at(0) : json::value("text");
    if (kind == "integer") return 1;
    if (kind == "number") return 0.5;
    if (kind == "boolean") return true;
    return json::object{};
  }

  const json::object& definitions_;
};

template <typename T>
void expect_round_trip(const std::string& file, std::string_view definition) {
  const json::object definitions = document(file).at("definitions").as_object();
  const json::value sample = Sampler(definitions).sample(definitions.at(definition).as_object());
  const T value = parse_json<T>(json::serialize(sample));
  EXPECT_TRUE(value.unknown.empty()) << file << " " << definition << " " << (value.unknown.empty() ? "" : value.unknown[0].first);
  const json::value written = json::parse(to_json(value));
  std::vector<std::string> expected;
  std::vector<std::string> order;
  for (const auto& member : sample.as_object()) expected.emplace_back(member.key());
  for (const auto& member : written.as_object()) {
    if (sample.as_object().contains(member.key())) {
      order.emplace_back(member.key());
      EXPECT_EQ(member.value().kind(), sample.at(member.key()).kind()) << definition << "." << member.key();
    }
  }
  // The newer document's order is ours; the older one differs in places.
  if (file == "docker-v1.56.json") {
    EXPECT_EQ(order, expected) << definition;
  } else {
    EXPECT_THAT(order, testing::UnorderedElementsAreArray(expected)) << definition;
  }
  EXPECT_EQ(to_json(parse_json<T>(to_json(value))), to_json(value)) << file << " " << definition;
}

#define SOCKERLESS_EXPECT_ROUND_TRIP(type)                   \
  TEST(TypesJsonOfTheDocument, RoundTrips##type) {           \
    expect_round_trip<type>("docker-v1.56.json", #type);     \
    const json::object old = document("docker-v1.44.json");  \
    if (old.at("definitions").as_object().contains(#type)) { \
      expect_round_trip<type>("docker-v1.44.json", #type);   \
    }                                                        \
  }

SOCKERLESS_EXPECT_ROUND_TRIP(ContainerConfig)
SOCKERLESS_EXPECT_ROUND_TRIP(HostConfig)
SOCKERLESS_EXPECT_ROUND_TRIP(ContainerInspectResponse)
SOCKERLESS_EXPECT_ROUND_TRIP(ContainerSummary)
SOCKERLESS_EXPECT_ROUND_TRIP(ContainerState)
SOCKERLESS_EXPECT_ROUND_TRIP(ContainerStatsResponse)
SOCKERLESS_EXPECT_ROUND_TRIP(ContainerWaitResponse)
SOCKERLESS_EXPECT_ROUND_TRIP(ContainerTopResponse)
SOCKERLESS_EXPECT_ROUND_TRIP(NetworkSettings)
SOCKERLESS_EXPECT_ROUND_TRIP(EndpointSettings)
SOCKERLESS_EXPECT_ROUND_TRIP(ImageInspect)
SOCKERLESS_EXPECT_ROUND_TRIP(ImageConfig)
SOCKERLESS_EXPECT_ROUND_TRIP(ImageSummary)
SOCKERLESS_EXPECT_ROUND_TRIP(NetworkInspect)
SOCKERLESS_EXPECT_ROUND_TRIP(Volume)
SOCKERLESS_EXPECT_ROUND_TRIP(VolumeListResponse)
SOCKERLESS_EXPECT_ROUND_TRIP(SystemInfo)
SOCKERLESS_EXPECT_ROUND_TRIP(SystemVersion)
SOCKERLESS_EXPECT_ROUND_TRIP(BuildInfo)
SOCKERLESS_EXPECT_ROUND_TRIP(CreateImageInfo)
SOCKERLESS_EXPECT_ROUND_TRIP(PushImageInfo)
SOCKERLESS_EXPECT_ROUND_TRIP(ServiceSpec)
SOCKERLESS_EXPECT_ROUND_TRIP(Task)
SOCKERLESS_EXPECT_ROUND_TRIP(Swarm)
SOCKERLESS_EXPECT_ROUND_TRIP(DistributionInspect)

#undef SOCKERLESS_EXPECT_ROUND_TRIP

}  // namespace
}  // namespace sockerless::api
