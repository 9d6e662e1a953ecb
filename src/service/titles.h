// Titles that a chat's own model gives it. The conversation goes on by one question that is kept
// nowhere: the model reads that question only, as the prefix tree holds the rest, and the next turn
// finds its own prefix as it was.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "service/changes.h"
#include "service/generation.h"
#include "service/identity.h"
#include "service/metering.h"
#include "service/runs.h"
#include "store/database.h"

namespace maru::service {

// Thread-safe; start() waits for the disk. The destructor gives up what is still being made.
class Titles {
 public:
  // `metering` may be null.
  Titles(std::shared_ptr<store::Database> database, std::shared_ptr<GenerationService> generation,
         std::shared_ptr<Metering> metering, std::shared_ptr<Changes> changes);
  ~Titles();

  void on_usage(Runs::OnUsage callback);

  // Begins to make one by what the chat's leaf, an answer, has led to; the chat changes when it is
  // there. False: the chat has a title that was given to it, or is temporary, and keeps what it
  // has. It is metered as every request. Errors: kNotFound, kConflict (no answer yet), those of
  // GenerationService::start(); if a limit forbids it `refusal` says more.
  Result<bool> start(const Identity& identity, const std::string& request_id,
                     const std::string& chat_id, Refusal& refusal);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The title in what a model answered: one line without marks; empty if there is none. Pure.
std::string title_in(const std::string& answer);

}  // namespace maru::service
