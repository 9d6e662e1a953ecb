#include "api/encode.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstddef>
#include <span>
#include <utility>

#include "api/rate_headers.h"
#include "api/wire/answers.h"
#include "base/json.h"
#include "base/log.h"

namespace maru::api {
namespace {

static_assert(std::endian::native == std::endian::little);

// One call. As in generate.cpp: the connection owns it, handlers only know it, and every function
// runs on the connection's executor.
class Encoding : public std::enable_shared_from_this<Encoding> {
 public:
  Encoding(const Call& call, service::PreparedTexts texts, EncodeFormat format)
      : context_(call.context),
        writer_(call.writer),
        identity_(call.identity),
        format_(std::move(format)),
        texts_(std::move(texts)),
        n_tokens_(texts_.n_tokens),
        admission_{make_answer_id("embd-"),
                   call.request.id,
                   texts_.model->name,
                   static_cast<int64_t>(texts_.n_tokens),
                   service::spender_of(call.identity),
                   {}} {}

  void admit() {
    writer_.on_closed([self = shared_from_this()] {
      self->end();
      self->context_->metrics.count_client_left();
      self->close_meter(service::Outcome::kClientLeft);
    });
    if (ended_) return;
    if (!context_->metering) return submit();
    service::Metering& metering = *context_->metering;
    admission_.pass = metering.limits().pass_of(admission_.spender);
    service::MeterHandlers handlers;
    handlers.on_opened = [weak = weak_from_this(), writer = writer_](const Status& status) {
      writer.post([weak, status] {
        if (const auto self = weak.lock()) self->on_opened(status);
      });
    };
    handlers.on_ready = [] {};
    service::Refusal refusal;
    meter_ = metering.admit(admission_, std::move(handlers), refusal);
    headers_ = rate_headers(metering.limits().state(admission_.pass, metering.now()));
    if (!meter_) fail(to_api_error(refusal), service::Outcome::kLimit);
  }

 private:
  void on_opened(const Status& status) {
    if (ended_) return;
    if (status) return submit();
    fail(to_api_error(meter_->refusal()), service::Outcome::kFailed);
  }

  void submit() {
    watch_ = context_->sign_in->watches().watch(
        identity_, [weak = weak_from_this(), writer = writer_](const Error& reason) {
          writer.post([weak, reason] {
            const auto self = weak.lock();
            if (self && !self->ended_) {
              self->fail(to_api_error(reason), service::Outcome::kCancelled);
            }
          });
        });
    auto id = context_->encoders->submit(
        std::move(texts_), [weak = weak_from_this(), writer = writer_, format = format_,
                            n = n_tokens_](Result<service::EncodedRows> rows) {
          Result<std::string> body =
              rows ? Result<std::string>(format(*std::move(rows), n)) : std::move(rows).error();
          writer.post([weak, body = std::move(body)] {
            if (const auto self = weak.lock()) self->answer(body);
          });
        });
    if (id) {
      running_ = *id;
      return;
    }
    if (meter_) meter_->discard();
    fail(to_api_error(id.error()), service::Outcome::kFailed);
  }

  void answer(const Result<std::string>& body) {
    if (ended_) return;
    if (!body) return fail(to_api_error(body.error()), service::Outcome::kFailed);
    running_.reset();
    close_meter(service::Outcome::kStop);
    engine::Usage usage;
    usage.prompt_tokens = static_cast<uint32_t>(n_tokens_);
    context_->metrics.count_usage(admission_.model, usage);
    writer_.annotate(fmt::format("prompt_tokens={}", n_tokens_));
    writer_.send({200, *body, "application/json", headers_});
    end();
  }

  void close_meter(service::Outcome outcome) {
    if (meter_) meter_->close(outcome, {static_cast<int64_t>(n_tokens_), 0, 0, 0});
  }

  void end() {
    ended_ = true;
    watch_.reset();
    if (running_) context_->encoders->cancel(*running_);
    running_.reset();
  }

  void fail(const ApiError& error, service::Outcome outcome) {
    end();
    close_meter(outcome);
    net::Response response = error_response(error, Shape::kOpenAi);
    response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
    writer_.send(std::move(response));
  }

  const std::shared_ptr<ApiContext> context_;
  const net::ResponseWriter writer_;
  const service::Identity identity_;
  const EncodeFormat format_;
  service::PreparedTexts texts_;
  const uint64_t n_tokens_;
  service::Admission admission_;
  std::unique_ptr<service::Meter> meter_;  // null: not metered
  std::vector<net::Header> headers_;       // what is left of the limits
  std::shared_ptr<void> watch_;            // of the key or session, while texts are computed
  std::optional<uint64_t> running_;
  bool ended_ = false;
};

}  // namespace

Result<std::shared_ptr<const service::ServedEncoder>> find_encoder(const Call& call,
                                                                   const std::string& name,
                                                                   bool is_reranker) {
  const auto found =
      call.context->encoders ? call.context->encoders->find(name, is_reranker) : nullptr;
  if (found != nullptr && call.identity.may_use_model(found->name)) return found;
  const char* const kind = is_reranker ? "reranker" : "embedding model";
  return Error{ErrorCode::kNotFound,
               name.empty() ? fmt::format("no {} is served here", kind)
                            : fmt::format("'{}' is no {} that is served here", name, kind),
               "the settings embedding_model and rerank_model name them", "model"};
}

uint32_t encoder_tokens(const Call& call, const service::ServedEncoder& model) {
  const uint32_t most = model.encoder->info().max_tokens;
  if (!call.context->metering) return most;
  service::Limits& limits = call.context->metering->limits();
  return limits.context_of(limits.pass_of(service::spender_of(call.identity)), most);
}

void encode(const Call& call, service::PreparedTexts texts, EncodeFormat format) {
  const auto encoding = std::make_shared<Encoding>(call, std::move(texts), std::move(format));
  call.writer.post([encoding] { encoding->admit(); });
}

std::string base64_floats(const std::vector<float>& vector) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::span<const std::byte> bytes = std::as_bytes(std::span(vector));
  const size_t n = bytes.size();
  const auto at = [&](size_t i) { return i < n ? std::to_integer<uint32_t>(bytes[i]) : 0; };
  std::string out;
  out.reserve((n + 2) / 3 * 4);
  for (size_t i = 0; i < n; i += 3) {
    const uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    out += kAlphabet[group >> 18];
    out += kAlphabet[group >> 12 & 63];
    out += i + 1 < n ? kAlphabet[group >> 6 & 63] : '=';
    out += i + 2 < n ? kAlphabet[group & 63] : '=';
  }
  return out;
}

void append_floats(std::string& out, const std::vector<float>& vector) {
  out += '[';
  for (const float x : vector) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, x).ptr;
    if (out.back() != '[') out += ',';
    out.append(text, end);
  }
  out += ']';
}

}  // namespace maru::api
