#include "base/error.hpp"
#include "frontend/call.hpp"
#include "frontend/routes.hpp"
#include "frontend/version_shape.hpp"

namespace sockerless::frontend {

namespace {

NetworkRole& networks(Call& call) { return require(call.backend.networks(), call.backend, "networks"); }

}  // namespace

Task<void> list_networks(Call& call) {
  api::NetworkListParams params = api::parse_network_list_params(call.query);
  std::vector<api::NetworkInspect> list = co_await networks(call).list(std::move(params.filters));
  std::string json;
  api::JsonWriter writer(json);
  writer.begin_array();
  for (api::NetworkInspect& network : list) {
    shape(network, call.version);
    if (call.below(28)) {
      api::write_json(writer, network);
    } else {
      api::write_json(writer, static_cast<const api::Network&>(network));  // without its containers, which only inspect tells
    }
  }
  writer.end_array();
  co_await reply_text(call, 200, std::move(json));
}

Task<void> inspect_network(Call& call) {
  const api::NetworkInspectParams params = api::parse_network_inspect_params(call.query);
  api::NetworkInspect network = co_await networks(call).inspect({call.id});
  if (!params.scope.empty() && network.scope != params.scope) throw Error::not_found("network {} not found", call.id);
  shape(network, call.version);
  co_await reply(call, 200, network);
}

Task<void> create_network(Call& call) {
  auto request = co_await read_required_json_body<api::NetworkCreateRequest>(call);
  adjust(request, call.version);
  co_await reply(call, 201, co_await networks(call).create(std::move(request)));
}

Task<void> delete_network(Call& call) {
  co_await networks(call).remove({call.id});
  co_await reply_empty(call, 204);
}

Task<void> connect_network(Call& call) {
  auto request = co_await read_required_json_body<api::NetworkConnectRequest>(call);
  adjust(request, call.version);
  co_await networks(call).connect({call.id}, std::move(request));
  co_await reply_empty(call, 200);
}

Task<void> disconnect_network(Call& call) {
  auto request = co_await read_required_json_body<api::NetworkDisconnectRequest>(call);
  co_await networks(call).disconnect({call.id}, std::move(request));
  co_await reply_empty(call, 200);
}

Task<void> prune_networks(Call& call) {
  api::NetworkPruneParams params = api::parse_network_prune_params(call.query);
  co_await reply(call, 200, co_await networks(call).prune(std::move(params.filters)));
}

}  // namespace sockerless::frontend
