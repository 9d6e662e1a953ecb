// Models that administrators fetch from the hub; auditors may look. While there is no account,
// whoever sets Maru up may do both.
#include "api/account_answers.h"

namespace maru::api {
namespace {

constexpr Access kLook{Who::kAuditor, Scope::kAdmin, Feature::kNone, true};
constexpr Access kAct{Who::kAdmin, Scope::kAdmin, Feature::kNone, true};

Json pull_json(const service::PullJob& job) {
  Json error;
  if (job.state == service::PullState::kFailed) {
    error = {{"code", error_code_name(job.error.code)},
             {"message", job.error.message},
             {"hint", job.error.hint}};
    add_reason(error, job.error);
  }
  return {{"id", job.id},
          {"source", job.source},
          {"state", service::pull_state_name(job.state)},
          {"created_at", job.created_at},
          {"file", job.progress.file},
          {"bytes_done", job.progress.n_done},
          {"bytes_total", job.progress.n_total},
          {"model", job.model.empty() ? Json(nullptr) : Json(job.model)},
          {"error", std::move(error)}};
}

// False after an answer: this server fetches nothing.
bool has_pulls(const Call& call) {
  if (call.context->pulls) return true;
  call.fail(to_api_error(Error{ErrorCode::kUnavailable, "this server does not fetch models",
                               "use maru pull", "", Reason{"pulls_off"}}));
  return false;
}

void list_pulls(const Call& call) {
  if (!has_pulls(call)) return;
  answer_with_list(call, Result<std::vector<service::PullJob>>(call.context->pulls->list()),
                   pull_json);
}

constexpr FieldSpec kFields[] = {{"source", Support::kSupported}};

void start_pull(const Call& call) {
  std::string source;
  const bool read = read_object(call, kFields, [&](ObjectReader& body) {
    body.require("source");
    source = body.string("source").value_or("");
  });
  if (!read || !has_pulls(call)) return;
  service::PullJobs& pulls = *call.context->pulls;
  const Status allowed =
      service::allow_egress(call.context->accounts->log(), call.identity, pulls.host(), "pull");
  if (!allowed) return call.fail(to_api_error(allowed.error()));
  answer_with(call, pulls.start(source), pull_json);
}

void stop_pull(const Call& call) {
  if (has_pulls(call)) answer_done(call, call.context->pulls->stop(call.path_arguments[0]));
}

constexpr Endpoint kEndpoints[] = {
    {"admin_pulls", "GET", "/api/admin/pulls", Run::kWorker, kLook, list_pulls},
    {"admin_pull_add", "POST", "/api/admin/pulls", Run::kWorker, kAct, start_pull},
    {"admin_pull_stop", "DELETE", "/api/admin/pulls/{pull}", Run::kWorker, kAct, stop_pull},
};

}  // namespace

extern const Resource resource_admin_pulls;
constinit const Resource resource_admin_pulls{kEndpoints};

}  // namespace maru::api
