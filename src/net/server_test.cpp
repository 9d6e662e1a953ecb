// The server over real sockets on loopback: a small blocking client that sends exact bytes.
#include "net/server.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <mutex>

#include "base/log.h"

namespace maru::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class Client {
 public:
  explicit Client(uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    const timeval limit{10, 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void send(std::string_view bytes) {
    boost::system::error_code ec;
    asio::write(socket_, asio::buffer(bytes.data(), bytes.size()), ec);
  }
  // Reads until `end` has been seen, or the server closes.
  std::string read_until(std::string_view end) {
    while (received_.find(end) == std::string::npos) {
      char chunk[4096];
      const ssize_t n = ::recv(socket_.native_handle(), chunk, sizeof chunk, 0);
      if (n <= 0) break;
      received_.append(chunk, static_cast<size_t>(n));
    }
    const size_t at = received_.find(end);
    const size_t n = at == std::string::npos ? received_.size() : at + end.size();
    std::string taken = received_.substr(0, n);
    received_.erase(0, n);
    return taken;
  }
  std::string read_all() { return read_until("\x01never\x01"); }
  void close() { socket_.close(); }
  asio::ip::tcp::socket& socket() { return socket_; }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
  std::string received_;
};

struct Fixture {
  explicit Fixture(Handler handler, ServerOptions options = {}) {
    options.port = 0;
    options.on_exchange = [this](const ExchangeRecord& r) {
      const std::lock_guard lock(mutex);
      records.push_back(r);
    };
    auto started = Server::start(std::move(options), std::move(handler));
    EXPECT_TRUE(started) << (started ? "" : started.error().message);
    server = std::move(started).value();
  }
  std::vector<ExchangeRecord> taken_records() {
    const std::lock_guard lock(mutex);
    return records;
  }
  std::mutex mutex;
  std::vector<ExchangeRecord> records;
  std::unique_ptr<Server> server;
};

void echo(const Request& request, const ResponseWriter& writer) {
  writer.send({200, request.method + " " + request.path + " " + request.body, "text/plain", {}});
}

TEST(Server, AnswersAndKeepsTheConnection) {
  Fixture f(echo);
  Client client(f.server->port());
  for (const std::string body : {"one", "two"}) {
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n" + body);
    const std::string answer = client.read_until("POST /x " + body);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_NE(answer.find("x-request-id: req_"), std::string::npos);
    EXPECT_NE(answer.find("Connection: keep-alive"), std::string::npos);
  }
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  Fixture f(echo);
  Client client(f.server->port());
  std::string many;
  for (int i = 0; i < 200; ++i) {
    many += fmt::format("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{:04}", i, i);
  }
  client.send(many);
  for (int i = 0; i < 200; ++i) {
    const std::string end = fmt::format("POST /{} {:04}", i, i);
    const std::string answer = client.read_until(end);
    ASSERT_TRUE(answer.ends_with(end)) << i << ": " << answer;
  }
}

TEST(Server, GivesTheSameAnswerForEverySplit) {
  Fixture f(echo);
  const std::string bytes =
      "POST /a%20b?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    Client client(f.server->port());
    client.send(bytes.substr(0, cut));
    client.send(bytes.substr(cut));
    const std::string answer = client.read_until("abcde");
    ASSERT_TRUE(answer.starts_with("HTTP/1.1 200")) << cut << answer;
    ASSERT_TRUE(answer.ends_with("POST /a b abcde")) << cut << answer;
  }
}

TEST(Server, RefusesWhatIsNotHttp) {
  Fixture f(echo);
  const std::pair<const char*, const char*> cases[] = {
      {"no version", "GET /\r\n\r\n"},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {"no host", "GET / HTTP/1.1\r\n\r\n"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"bare line feed", "GET / HTTP/1.1\nHost: a\n\n"},
      {"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n"},
      {"huge length",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n"},
      {"two lengths",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"},
      {"length and chunked",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\n"},
      {"chunked and length",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
       "0\r\n\r\n"},
      {"other coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"},
      {"chunk size -2",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nabc\r\n0\r\n\r\n"},
      {"chunk size of 17 digits",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
       "10000000000000003\r\nabc\r\n0\r\n\r\n"},
      {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
      {"NUL in a header", nullptr},
      {"broken escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"TLS hello", "\x16\x03\x01\x02\x01\x01\r\n\r\n"},
  };
  for (const auto& [name, bytes] : cases) {
    Client client(f.server->port());
    client.send(bytes ? std::string(bytes)
                      : std::string("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 36));
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << name << ": " << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << name;
  }
}

TEST(Server, HoldsTheLimitsOfBytes) {
  ServerOptions options;
  options.max_header_bytes = 1000;
  options.max_body_bytes = 100;
  Fixture f(echo, options);
  const auto status_of = [&](const std::string& bytes) {
    Client client(f.server->port());
    client.send(bytes);
    return client.read_until("\r\n").substr(9, 3);
  };
  const auto with_header = [](size_t n_bytes) {
    const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    return start + std::string(n_bytes - start.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_EQ(status_of(with_header(999)), "200");
  EXPECT_EQ(status_of(with_header(1000)), "200");
  EXPECT_EQ(status_of(with_header(1001)), "431");
  EXPECT_EQ(status_of("GET /" + std::string(5000, 'x')), "431");
  for (const auto& [n_bytes, status] : {std::pair{99, "200"}, {100, "200"}, {101, "413"}}) {
    EXPECT_EQ(status_of(fmt::format("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}",
                                    n_bytes, std::string(static_cast<size_t>(n_bytes), 'x'))),
              status);
    EXPECT_EQ(status_of(fmt::format("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                    "\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                                    n_bytes, std::string(static_cast<size_t>(n_bytes), 'x'))),
              status);
  }
}

TEST(Server, AnswersALargeUploadThatItRefuses) {
  ServerOptions options;
  options.max_body_bytes = 1 << 20;
  Fixture f(echo, options);
  Client client(f.server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" +
              std::string(8'000'000, 'x'));
  EXPECT_TRUE(client.read_all().starts_with("HTTP/1.1 413"));
}

TEST(Server, SaysContinueWhenAsked) {
  Fixture f(echo);
  Client client(f.server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_TRUE(client.read_until("POST / hi").ends_with("POST / hi"));
}

TEST(Server, CutsClientsThatDribble) {
  ServerOptions options;
  options.header_timeout = 150ms;
  options.body_timeout = 150ms;
  options.idle_timeout = 150ms;
  Fixture f(echo, options);
  Client silent(f.server->port()), header(f.server->port()), body(f.server->port()),
      idle(f.server->port());
  header.send("GET / HT");
  body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(header.read_all().starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(body.read_all().starts_with("HTTP/1.1 408"));
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_TRUE(idle.read_all().ends_with("GET / "));  // and then closed by the server
}

TEST(Server, HoldsTheLimitOfConnections) {
  ServerOptions options;
  options.max_connections = 3;
  Fixture f(echo, options);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(f.server->port()));
    clients.back()->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(clients.back()->read_until("GET / ").starts_with("HTTP/1.1 200"));
  }
  Client fourth(f.server->port());
  EXPECT_TRUE(fourth.read_all().starts_with("HTTP/1.1 503"));
}

TEST(Server, KeepsSaneRequestIdsOnly) {
  Fixture f(echo);
  Client client(f.server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-id.1\r\n\r\n");
  EXPECT_NE(client.read_until("GET / ").find("x-request-id: my-id.1\r\n"), std::string::npos);
  for (const std::string& bad :
       {std::string("has space"), std::string(129, 'x'), std::string("a\"b")}) {
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + bad + "\r\n\r\n");
    EXPECT_NE(client.read_until("GET / ").find("x-request-id: req_"), std::string::npos);
  }
}

TEST(Server, StreamsInChunks) {
  Fixture f([](const Request&, const ResponseWriter& writer) {
    writer.begin_stream({200, "", "text/event-stream", {}});
    EXPECT_TRUE(writer.write("one"));
    EXPECT_TRUE(writer.write("two"));
    writer.end();
  });
  Client client(f.server->port());
  for (int round = 0; round < 2; ++round) {
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string answer = client.read_until("0\r\n\r\n");
    EXPECT_NE(answer.find("Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
              std::string::npos)
        << answer;
  }
  Client old(f.server->port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  const std::string answer = old.read_all();
  EXPECT_TRUE(answer.ends_with("Connection: close\r\n\r\nonetwo")) << answer;
}

TEST(Server, SendsHeartbeatsOnSilentStreams) {
  std::promise<ResponseWriter> given;
  Fixture f([&](const Request&, const ResponseWriter& writer) {
    writer.begin_stream({200, "", "text/event-stream", {}}, {30ms, ": heartbeat\n\n"});
    given.set_value(writer);
  });
  Client client(f.server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const ResponseWriter writer = given.get_future().get();
  EXPECT_TRUE(client.read_until(": heartbeat\n\n").ends_with("d\r\n: heartbeat\n\n"));
  EXPECT_TRUE(client.read_until(": heartbeat\n\n").ends_with("d\r\n: heartbeat\n\n"));
  writer.end();
  EXPECT_TRUE(client.read_until("0\r\n\r\n").ends_with("0\r\n\r\n"));
}

TEST(Server, TellsWhenTheClientLeaves) {
  for (const bool streaming : {false, true}) {
    std::promise<void> started, closed;
    std::promise<ResponseWriter> given;
    Fixture f([&](const Request&, const ResponseWriter& writer) {
      writer.on_closed([&] { closed.set_value(); });
      if (streaming) {
        writer.begin_stream({200, "", "text/event-stream", {}});
        writer.write("x");
      }
      given.set_value(writer);
    });
    Client client(f.server->port());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const ResponseWriter writer = given.get_future().get();
    client.close();
    ASSERT_EQ(closed.get_future().wait_for(5s), std::future_status::ready);
    EXPECT_FALSE(writer.write("y"));
    std::promise<void> late;
    writer.on_closed([&] { late.set_value(); });
    EXPECT_EQ(late.get_future().wait_for(5s), std::future_status::ready);
    const auto records = f.taken_records();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_TRUE(records[0].client_left);
  }
}

TEST(Server, CutsAReaderThatIsTooSlow) {
  ServerOptions options;
  options.max_outbox_bytes = 100'000;
  std::promise<void> closed;
  std::promise<ResponseWriter> given;
  Fixture f(
      [&](const Request&, const ResponseWriter& writer) {
        writer.on_closed([&] { closed.set_value(); });
        writer.begin_stream({200, "", "text/event-stream", {}});
        given.set_value(writer);
      },
      options);
  Client client(f.server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const ResponseWriter writer = given.get_future().get();
  size_t n_taken = 0;
  while (writer.write(std::string(1000, 'x'))) ASSERT_LT(++n_taken, 1'000'000u);
  EXPECT_EQ(closed.get_future().wait_for(5s), std::future_status::ready);
}

TEST(Server, AnswersForAHandlerThatForgets) {
  Fixture f([](const Request&, const ResponseWriter&) {});
  Client client(f.server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.read_all().starts_with("HTTP/1.1 500"));
}

TEST(Server, SurvivesAHandlerThatThrows) {
  Fixture f([](const Request&, const ResponseWriter&) { throw std::bad_alloc(); });
  Client client(f.server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.read_until("\r\n").starts_with("HTTP/1.1 500"));
}

TEST(Server, LetsAnswersFinishWhenItStops) {
  std::promise<ResponseWriter> given;
  Fixture f([&](const Request&, const ResponseWriter& writer) { given.set_value(writer); });
  Client idle(f.server->port()), busy(f.server->port());
  busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const ResponseWriter writer = given.get_future().get();
  auto stopped = std::async(std::launch::async, [&] { f.server->stop(10s); });
  EXPECT_EQ(idle.read_all(), "");
  writer.send({200, "done", "text/plain", {}});
  EXPECT_TRUE(busy.read_all().ends_with("done"));
}

TEST(Server, CutsAnswersWhenTheGraceIsOver) {
  std::promise<void> closed;
  std::promise<ResponseWriter> given;
  Fixture f([&](const Request&, const ResponseWriter& writer) {
    writer.on_closed([&] { closed.set_value(); });
    given.set_value(writer);
  });
  Client busy(f.server->port());
  busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const ResponseWriter writer = given.get_future().get();
  f.server->stop(10ms);
  EXPECT_EQ(closed.get_future().wait_for(0s), std::future_status::ready);
  EXPECT_EQ(busy.read_all(), "");
  writer.send({200, "too late", "text/plain", {}});
}

TEST(Server, RefusesAnAddressThatIsTakenOrNotOurs) {
  Fixture f(echo);
  ServerOptions taken;
  taken.port = f.server->port();
  const auto second = Server::start(taken, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  ServerOptions foreign;
  foreign.host = "192.0.2.1";
  foreign.port = 0;
  EXPECT_FALSE(Server::start(foreign, echo));
}

TEST(Server, RecordsEveryExchange) {
  Fixture f([](const Request& request, const ResponseWriter& writer) {
    writer.annotate("tokens=3");
    echo(request, writer);
  });
  Client client(f.server->port());
  client.send("HEAD /x?secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = client.read_all();
  EXPECT_TRUE(answer.ends_with("Content-Length: 8\r\n\r\n")) << answer;
  const auto records = f.taken_records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].method, "HEAD");
  EXPECT_EQ(records[0].path, "/x");
  EXPECT_EQ(records[0].status, 200);
  EXPECT_EQ(records[0].note, "tokens=3");
  EXPECT_FALSE(records[0].client_left);
}

}  // namespace
}  // namespace maru::net
