// The `sockerless` program: the daemon (`serve`) and a small command line for it. Only flags are read here.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include <CLI/CLI.hpp>

#include "apps/cli/commands.hpp"
#include "apps/cli/daemon.hpp"
#include "apps/serve.hpp"
#include "base/error.hpp"
#include "base/settings.hpp"

namespace sockerless {

namespace {

/// The values of the flags that were given on the command line.
struct ServeFlags {
  Settings::Values values;
  std::string config_file;
};

constexpr const char* kServeHelp[][2] = {
    {"backend", "where containers run: local, memory or docker"},
    {"backend-address", "a backend in another process (unix:///path or tcp://host:port), instead of --backend"},
    {"host", "where to listen: unix:///path or tcp://host:port; repeatable"},
    {"group", "group that may use the unix socket, where it exists"},
    {"state", "directory of images, containers and the state database, or \"memory\""},
    {"runtime", "OCI runtime of the local backend: a name or a path (default: crun, else runc)"},
    {"insecure-registry", "host or host:port of a registry that may speak HTTP or show any certificate; may be repeated (local backend)"},
    {"docker-host",
     "the daemon of the docker backend: a socket's path or what DOCKER_HOST may say (default: as the docker command finds it)"},
    {"api-version", "Docker API version to advertise"},
    {"threads", "I/O threads; 0: one a core"},
    {"tls", "use TLS on TCP addresses"},
    {"tlsverify", "use TLS and demand client certificates signed by --tlscacert"},
    {"tlscacert", "PEM file of the certificate authority for clients"},
    {"tlscert", "PEM file of the server's certificate"},
    {"tlskey", "PEM file of the server's key"},
    {"insecure", "allow TCP without TLS beyond loopback: whoever reaches it is root here"},
    {"log-level", "trace, debug, info, warn, error or off"},
};

const char* help_of(const std::string& name) {
  for (const auto& [key, text] : kServeHelp) {
    if (name == key) return text;
  }
  return "";
}

void add_serve(CLI::App& app, ServeFlags& flags) {
  auto* command = app.add_subcommand("serve", "Serve the Docker Engine API");
  for (const SettingSpec& spec : serve_settings()) {
    auto& values = flags.values[spec.name];
    const bool is_switch = spec.name == "tls" || spec.name == "tlsverify" || spec.name == "insecure";
    const std::string text = spec.environment.empty() ? help_of(spec.name) : fmt::format("{} [${}]", help_of(spec.name), spec.environment);
    const std::string flag = spec.name == "host" ? "-H,--host" : "--" + spec.name;
    if (is_switch) {
      command->add_flag_callback(flag, [&values] { values = {"true"}; }, text);
    } else {
      command->add_option(flag, values, text)->type_name("")->expected(1)->take_all();
    }
  }
  command->add_option("--config", flags.config_file, "YAML file with any of these settings, by their names without dashes")->type_name("");
}

int serve_with(const ServeFlags& flags) {
  std::optional<std::string> yaml;
  if (!flags.config_file.empty()) {
    std::ifstream file(flags.config_file);
    if (!file) throw Error::invalid_argument("cannot read the configuration file {}", flags.config_file);
    yaml.emplace(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return serve(Settings::resolve(serve_settings(), flags.values, process_environment, yaml, flags.config_file));
}

/// The options of the subcommands that talk to a daemon.
struct ClientFlags {
  std::string host;
  cli::RunOptions run;
  cli::ExecOptions exec;
  cli::LogsOptions logs;
  cli::DoctorCommandOptions doctor;
  bool ps_all = false;
  bool quiet = false;
  std::string import_file;
  std::string import_reference;
  std::vector<std::string> import_changes;
};

void add_run(CLI::App& app, cli::RunOptions& options) {
  auto* command = app.add_subcommand("run", "Create and run a new container");
  command->add_flag("--rm", options.remove, "remove the container when it exits");
  command->add_flag("-i,--interactive", options.interactive, "keep standard input open");
  command->add_flag("-t,--tty", options.tty, "allocate a terminal");
  command->add_flag("-d,--detach", options.detach, "run in the background and print the id");
  command->add_option("--name", options.name, "name of the container");
  command->add_option("-e,--env", options.environment, "environment variable")->allow_extra_args(false);
  command->add_option("-v,--volume", options.binds, "bind mount: host:container[:ro]")->allow_extra_args(false);
  command->add_option("-w,--workdir", options.working_dir, "working directory");
  command->add_option("-u,--user", options.user, "user[:group]");
  command->add_option("--entrypoint", options.entrypoint, "replaces the image's entry point");
  command->add_option("--network", options.network, "none, host or a network's name");
  command->prefix_command()->fallthrough(
      false);  // from the first word that is no option on, everything is the container's: IMAGE [COMMAND ARGUMENTS...]
  command->footer("sockerless run [OPTIONS] IMAGE [COMMAND] [ARGUMENTS...]");
}

void add_exec(CLI::App& app, cli::ExecOptions& options) {
  auto* command = app.add_subcommand("exec", "Run a command in a running container");
  command->add_flag("-i,--interactive", options.interactive, "keep standard input open");
  command->add_flag("-t,--tty", options.tty, "allocate a terminal");
  command->add_flag("-d,--detach", options.detach, "run in the background");
  command->add_option("-e,--env", options.environment, "environment variable")->allow_extra_args(false);
  command->add_option("-w,--workdir", options.working_dir, "working directory");
  command->add_option("-u,--user", options.user, "user[:group]");
  command->prefix_command()->fallthrough(false);
  command->footer("sockerless exec [OPTIONS] CONTAINER COMMAND [ARGUMENTS...]");
}

/// Splits what follows the options of `run` and `exec` into the object and its command line.
void take_operands(const CLI::App& app, const char* object, std::string& target, std::vector<std::string>& command) {
  auto words = app.get_subcommands().front()->remaining();
  if (words.empty())
    throw Error::invalid_argument("{} wants {}: see `sockerless {} --help`", app.get_subcommands().front()->get_name(), object,
                                  app.get_subcommands().front()->get_name());
  target = words.front();
  command.assign(words.begin() + 1, words.end());
}

void add_doctor(CLI::App& app, cli::DoctorCommandOptions& options) {
  auto* command = app.add_subcommand("doctor", "Say whether a Docker daemon can be reached, and if not why and what to do");
  command->add_option("-H,--host", options.host,
                      "the daemon's address; without it the one that the docker command would use [$DOCKER_HOST]");
  command->add_option("-c,--context", options.context, "the docker context to look at [$DOCKER_CONTEXT]");
  command->add_option("--timeout", options.timeout_seconds, "seconds to wait for the daemon")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--json", options.json, "one JSON object, for scripts");
  command->footer(cli::doctor_exit_codes());
}

void add_client_commands(CLI::App& app, ClientFlags& flags) {
  add_run(app, flags.run);
  add_exec(app, flags.exec);
  auto* logs = app.add_subcommand("logs", "Show a container's output");
  logs->add_flag("-f,--follow", flags.logs.follow, "go on until the container stops");
  logs->add_flag("-t,--timestamps", flags.logs.timestamps, "show when each line was written");
  logs->add_option("--since", flags.logs.since, "Unix seconds or RFC 3339");
  logs->add_option("--until", flags.logs.until, "Unix seconds or RFC 3339");
  logs->add_option("-n,--tail", flags.logs.tail, "lines from the end");
  logs->add_option("container", flags.logs.container, "container")->required();
  auto* ps = app.add_subcommand("ps", "List containers");
  ps->add_flag("-a,--all", flags.ps_all, "also those that do not run");
  ps->add_flag("-q,--quiet", flags.quiet, "ids only");
  auto* images = app.add_subcommand("images", "List images");
  images->add_flag("-q,--quiet", flags.quiet, "ids only");
  auto* import = app.add_subcommand("import", "Make an image from the tar of a root file system");
  import->add_option("-c,--change", flags.import_changes, "Dockerfile instruction to apply")->allow_extra_args(false);
  import->add_option("file", flags.import_file, "tar file, - for standard input")->required();
  import->add_option("reference", flags.import_reference, "name[:tag]");
  app.add_subcommand("version", "Show the versions of client and daemon");
  add_doctor(app, flags.doctor);
}

std::string host_of(const ClientFlags& flags) {
  if (!flags.host.empty()) return flags.host;
  if (const auto host = process_environment("SOCKERLESS_HOST"); host && !host->empty()) return *host;
  return "unix://" + cli::default_socket();
}

int dispatch(const CLI::App& app, const ServeFlags& serve_flags, ClientFlags& flags) {
  const std::string name = app.get_subcommands().front()->get_name();
  if (name == "serve") return serve_with(serve_flags);
  if (name == "doctor") {
    if (flags.doctor.host.empty()) flags.doctor.host = flags.host;
    return cli::doctor_command(flags.doctor);
  }
  const std::string host = host_of(flags);
  if (name == "run") {
    take_operands(app, "an image", flags.run.image, flags.run.command);
    return cli::run_command(host, flags.run);
  }
  if (name == "exec") {
    take_operands(app, "a container", flags.exec.container, flags.exec.command);
    return cli::exec_command(host, flags.exec);
  }
  if (name == "logs") return cli::logs_command(host, flags.logs);
  if (name == "ps") return cli::ps_command(host, flags.ps_all, flags.quiet);
  if (name == "images") return cli::images_command(host, flags.quiet);
  if (name == "import") return cli::import_command(host, flags.import_file, flags.import_reference, flags.import_changes);
  return cli::version_command(host);
}

int run_program(int argc, char** argv) {
  CLI::App app("Sockerless: the Docker Engine API, with containers wherever the backend says", "sockerless");
  app.require_subcommand(1);
  app.fallthrough();  // -H is understood behind the command, too
  ServeFlags serve_flags;
  ClientFlags client_flags;
  app.add_option("-H,--host", client_flags.host, "the daemon a command talks to [$SOCKERLESS_HOST]");
  add_serve(app, serve_flags);
  add_client_commands(app, client_flags);
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  const auto is_asked_for = [argv](const CLI::App* command) { return command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && std::ranges::none_of(commands, is_asked_for)) {
    std::fprintf(stderr, "sockerless: \"%s\" is not a command: see `sockerless --help`\n", argv[1]);
    return 1;
  }
  CLI11_PARSE(app, argc, argv);
  try {
    return dispatch(app, serve_flags, client_flags);
  } catch (const Error& error) {
    std::fprintf(stderr, "sockerless: %s\n", error.what());
    return app.get_subcommands().front()->get_name() == "run" ? 125 : 1;
  }
}

}  // namespace

}  // namespace sockerless

int main(int argc, char** argv) { return sockerless::run_program(argc, argv); }
