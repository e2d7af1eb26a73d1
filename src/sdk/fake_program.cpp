// Stands in for the programs that the library starts, under their names: links to it lie in a folder that a test puts into PATH. What it is
// to do is in files of that folder; what it was asked is appended to NAME.log, one argument a line, then "< " and what it was told.
//
//   ssh.mode               "proxy SOCKET": joins its input and output to a unix socket, as `docker system dial-stdio` does
//                          "chatter SOCKET": the same after a megabyte of messages; "fail CODE TEXT"; "end": exits with 0
//   NAME.ACTION            of docker-credential-*: "CODE\nOUTPUT"; NAME.ACTION.SERVER (slashes and colons as _) beats it; "hang" never ends

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_all(int fd, const char* data, ssize_t size) {
  while (size > 0) {
    const ssize_t count = ::write(fd, data, static_cast<std::size_t>(size));
    if (count <= 0) std::_Exit(70);
    data += count;
    size -= count;
  }
}

/// Copies both ways; the end of each direction is passed on by itself. Ends when the socket has ended.
int proxy(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 71;
  std::array<char, 65536> buffer;
  bool input_open = true;
  for (;;) {
    std::array<pollfd, 2> entries = {{{input_open ? STDIN_FILENO : -1, POLLIN, 0}, {socket, POLLIN, 0}}};
    ::poll(entries.data(), entries.size(), -1);
    if (entries[0].revents != 0) {
      const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (count > 0) write_all(socket, buffer.data(), count);
      if (count <= 0) {
        input_open = false;
        ::shutdown(socket, SHUT_WR);
      }
    }
    if (entries[1].revents != 0) {
      const ssize_t count = ::read(socket, buffer.data(), buffer.size());
      if (count <= 0) return 0;
      write_all(STDOUT_FILENO, buffer.data(), count);
    }
  }
}

int be_ssh(const std::filesystem::path& folder) {
  std::istringstream mode(text_of(folder / "ssh.mode"));
  std::string word;
  mode >> word;
  if (word == "fail") {
    int code = 0;
    mode >> code;
    std::cerr << std::string(std::istreambuf_iterator<char>(mode), {}).substr(1);
    return code;
  }
  if (word == "end") return 0;
  std::string socket;
  mode >> socket;
  if (word == "chatter") {
    const std::string line(1023, 'x');
    for (int i = 0; i < 1024; ++i) std::cerr << line << '\n';
  }
  return proxy(socket);
}

int be_helper(const std::filesystem::path& program, const std::string& action, std::string server) {
  for (char& c : server) c = c == '/' || c == ':' ? '_' : c;
  std::filesystem::path answer = program.string() + "." + action + "." + server;
  if (server.empty() || !std::filesystem::exists(answer)) answer = program.string() + "." + action;
  const std::string text = text_of(answer);
  if (text == "hang") ::pause();
  std::cout << text.substr(text.find('\n') + 1) << std::flush;
  return std::stoi(text);
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path program(argv[0]);
  std::ofstream log(program.string() + ".log", std::ios::app);
  for (int i = 1; i < argc; ++i) log << argv[i] << '\n';
  log << std::flush;
  if (program.filename() == "ssh") return be_ssh(program.parent_path());
  const std::string told{std::istreambuf_iterator<char>(std::cin), {}};
  log << "< " << told << '\n' << std::flush;
  return be_helper(program, argc > 1 ? argv[1] : "", told);
}
