// GET /first-admin: where the one-time link of the terminal leads. The token is behind the '#',
// which browsers send to no server; the page posts it to /api/first-admin. A build without the web
// app has a small page of its own for it.
#include "api/endpoint.h"
#include "api/page.h"

namespace maru::api {
namespace {

constexpr const char* kPage = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Maru</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:10vh auto;padding:0 1rem}
label{display:block;margin:1rem 0 .2rem}input,button{font:inherit;width:100%;padding:.5rem;
box-sizing:border-box}button{margin-top:1.5rem}
</style></head><body>
<h1>Maru</h1><p id="what">The first account is an administrator's.</p>
<form id="form">
<label for="name" id="name-label">Name</label>
<input id="name" autocomplete="username" required>
<label for="password" id="password-label">Password (10 characters or more)</label>
<input id="password" type="password" autocomplete="new-password" minlength="10" required>
<button id="button">Make the account</button></form>
<p id="result" role="status"></p>
<script>
const by = id => document.getElementById(id);
const ko = navigator.language.startsWith('ko');
let done = 'The account is made, and you are logged in.';
if (ko) {
  document.documentElement.lang = 'ko';
  by('what').textContent = '첫 계정은 관리자 계정입니다.';
  by('name-label').textContent = '이름';
  by('password-label').textContent = '비밀번호 (10자 이상)';
  by('button').textContent = '계정 만들기';
  done = '계정을 만들고 로그인했습니다.';
}
by('form').addEventListener('submit', async event => {
  event.preventDefault();
  by('button').disabled = true;
  const answer = await fetch('/api/first-admin', {
    method: 'POST', headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({token: location.hash.slice(1), name: by('name').value,
                          password: by('password').value, language: ko ? 'ko' : 'en'})});
  const said = await answer.json();
  by('button').disabled = answer.ok;
  by('result').textContent = answer.ok ? done : said.error.message;
  if (answer.ok) history.replaceState(null, '', '/first-admin');
});
</script></body></html>
)";

void handle(const Call& call) {
  const PageBundle bundle = page_bundle();
  if (const PageFile* const page = bundle.find("/")) {
    return call.writer.send(page_response(bundle, *page, call.request));
  }
  call.writer.send({200,
                    kPage,
                    "text/html; charset=utf-8",
                    {{"Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                      "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"},
                     {"Referrer-Policy", "no-referrer"},
                     {"Cache-Control", "no-store"}}});
}

}  // namespace

extern const Endpoint endpoint_first_admin_page;
constinit const Endpoint endpoint_first_admin_page{"first_admin_page", "GET",   "/first-admin",
                                                   Run::kInline,       kPublic, handle};

}  // namespace maru::api
