"""Runs the README's SQL against a run and reads its items with pandas. usage: query.py README (from the directory that holds runs/)"""
import re, sys
import duckdb, pandas

text = open(sys.argv[1], encoding="utf-8").read()
queries = re.findall(r"```sql\n(.*?)```", text, re.S)
assert queries, "the README has no query"
for q in queries:
    rows = duckdb.sql(q).fetchall()
    assert rows, "no row of:\n" + q
    print(len(rows), "rows, the first", rows[0])

# DuckDB and pandas see the same table, and what its columns promise holds.
frame = pandas.read_parquet("runs/mask_ablation/items.parquet")
columns = duckdb.sql("DESCRIBE SELECT * FROM 'runs/mask_ablation/items.parquet'").fetchall()
assert [c[0] for c in columns] == list(frame.columns), (columns, list(frame.columns))
documented = re.search(r"`items.parquet` has one row for every choice of every item\. Its columns are\n(.*?)\n\n", text, re.S)
assert documented, "the README has no list of the columns of items.parquet"
named = re.findall(r"`(\w+)`", documented.group(1))
assert sorted(named) == sorted(frame.columns), (named, list(frame.columns))
assert (frame.correct == (frame.prediction == frame.gold)).all()
assert (frame.logprob <= 0).all() and (frame.scored < frame.tokens).all()
per = frame.groupby(["cell", "suite", "subset", "item"]).correct.nunique()
assert (per == 1).all(), "the choices of an item disagree"
print(len(frame), "rows with", len(frame.columns), "columns in pandas")
