// Texts for people at the terminal, in English and Korean: one table (messages.cpp). Errors of the
// layers below stay English.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace maru::apps {

enum class Language { kEnglish, kKorean };

enum class Message {
  kError,
  kHint,
  kLoading,
  kUsingServer,
  kSmallerContext,
  kServing,
  kServeNext,
  kServeNeedsKey,
  kStopping,
  kChatWelcome,
  kChatHelp,
  kChatBye,
  kChatInterrupted,
  kChatStopped,
  kChatCut,
  kChatReset,
  kChatSaved,
  kChatLoaded,
  kChatSystem,
  kChatSystemNone,
  kChatUnknown,
  kChatNeedsFile,
  kChatTooLong,
  kReadingPrompt,
  kNoModels,
  kBackedUp,
  kRestored,
  kRestoredKept,
  kDatabaseVersion,
  kDatabaseMoved,
  kDatabaseOlder,
  kServeOpen,
  kServeFirstAdmin,
  kAskPassword,
  kAskPasswordAgain,
  kNoUsers,
  kUserAdded,
  kUserChanged,
  kNoGroups,
  kGroupLine,
  kGroupAdded,
  kGroupChanged,
  kNoKeys,
  kKeyMade,
  kKeyRevoked,
  kUsageDay,
  kUsageModel,
  kUsageUser,
  kUsageColumns,
  kUsageTotal,
  kUsageNone,
  kPriceSet,
  kPriceRemoved,
  kNoPrices,
  kNoLimits,
  kSpeedModel,
  kSpeedRequests,
  kSpeedIn,
  kSpeedOut,
  kSpeedBusy,
  kAuditSound,
  kAuditFault,
  kPullAsking,
  kPullWaiting,
  kPullFetching,
  kPullChecking,
  kPullCopying,
  kPullRate,
  kPullResumed,
  kPulled,
  kPullThere,
  kPullStopped,
  kModelSound,
  kModelFault,
  kModelRemoved,
  kBundleKeyMade,
  kBundleKeyThere,
  kBundleWritten,
  kBundleImported,
  kRecommendMachine,
  kRecommendColumns,
  kRecommendNotes,
  kRecommendCheck,
  kRecommendNothing,
  kSettingIgnored,
  kSettingsUnread,
  kSettingRemoved,
  kCount,
};

// The table's text, with {} for its values.
std::string_view message_text(Language language, Message message);

// `wanted` ("en", "ko") or, if empty, what LC_ALL, LC_MESSAGES and LANG say, in this order.
Language choose_language(const std::string& wanted);

class Phrases {
 public:
  explicit Phrases(Language language) : language_(language) {}

  Language language() const { return language_; }

  template <class... Args>
  std::string operator()(Message message, const Args&... args) const {
    return fmt::vformat(message_text(language_, message), fmt::make_format_args(args...));
  }

 private:
  Language language_;
};

}  // namespace maru::apps
