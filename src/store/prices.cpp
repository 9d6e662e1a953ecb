#include "store/prices.h"

namespace maru::store {

Status add_price(Transaction& transaction, const PriceRow& row) {
  const auto done = transaction.execute(
      "INSERT INTO prices (id, model, in_micros, cached_micros, out_micros, valid_from, source) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {row.id, row.model, row.price.in_micros, row.price.cached_micros, row.price.out_micros,
       row.valid_from, row.source});
  if (!done) return done.error();
  return {};
}

Status remove_price(Transaction& transaction, const std::string& id) {
  MARU_RETURN_IF_ERROR(transaction.execute("DELETE FROM prices WHERE id = ?", {id}));
  return {};
}

Result<std::vector<PriceRow>> list_prices(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      transaction.query("SELECT id, model, in_micros, cached_micros, out_micros, valid_from, "
                        "source FROM prices ORDER BY model, valid_from"));
  std::vector<PriceRow> prices;
  for (const Row& row : rows) {
    prices.push_back({row.text(0),
                      row.text(1),
                      {row.integer(2), row.integer(3), row.integer(4)},
                      row.integer(5),
                      row.text(6)});
  }
  return prices;
}

}  // namespace maru::store
