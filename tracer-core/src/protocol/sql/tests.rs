//! Statements as people and libraries write them.
//!
//! Invariant: no literal of any of them is in its operation. Memory: the statements.

use super::*;
use proptest::prelude::*;

fn whole(text: &str, dialect: Dialect) -> String {
    operation(text.as_bytes(), true, dialect).unwrap().as_str().to_owned()
}

fn postgres(text: &str) -> String {
    whole(text, Dialect::Postgres)
}

fn mysql(text: &str) -> String {
    whole(text, Dialect::MySql)
}

#[test]
fn a_statement_is_its_verb_and_its_first_table() {
    assert_eq!(postgres("SELECT * FROM orders WHERE id = 7"), "SELECT orders");
    assert_eq!(postgres("select o.id from Public.Orders o join lines l on true"), "SELECT public.orders");
    assert_eq!(postgres("SELECT 1"), "SELECT");
    assert_eq!(postgres("insert into \"Order Lines\"(a) values ('x')"), "INSERT Order Lines");
    assert_eq!(postgres("UPDATE ONLY orders SET a = 1"), "UPDATE orders");
    assert_eq!(postgres("DELETE FROM ONLY orders"), "DELETE orders");
    assert_eq!(postgres("MERGE INTO a USING b ON true"), "MERGE a");
    assert_eq!(postgres("CALL app.restock(3)"), "CALL app.restock");
    assert_eq!(postgres("TRUNCATE TABLE orders"), "TRUNCATE orders");
    assert_eq!(postgres("NOTIFY stock, 'low'"), "NOTIFY stock");
    assert_eq!(mysql("REPLACE INTO `shop`.`Orders` VALUES (1)"), "REPLACE shop.Orders");
    assert_eq!(mysql("INSERT IGNORE INTO orders VALUES (1)"), "INSERT orders");
    assert_eq!(mysql("DELETE a FROM orders a JOIN b"), "DELETE orders");
    assert_eq!(mysql("LOAD DATA LOCAL INFILE '/x' REPLACE INTO TABLE orders"), "LOAD orders");
    assert_eq!(mysql("DESC orders"), "DESC orders");
}

#[test]
fn statements_that_are_about_nothing_are_their_verb_and_unknown_ones_are_not_told() {
    for verb in ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "SET", "SHOW", "FETCH", "EXECUTE", "VACUUM"] {
        assert_eq!(postgres(&format!("{} secret 'x'", verb.to_lowercase())), verb);
    }
    assert_eq!(postgres("hunter2 FROM orders"), "?");
    assert_eq!(postgres("'hunter2'"), "?");
    assert_eq!(postgres(" ; -- nothing"), "EMPTY");
    assert_eq!(postgres(""), "EMPTY");
}

#[test]
fn what_is_defined_has_a_kind_and_a_name_but_not_who_may_log_in() {
    assert_eq!(postgres("CREATE TABLE IF NOT EXISTS orders (id int)"), "CREATE TABLE orders");
    assert_eq!(postgres("create unique index concurrently i on orders (a)"), "CREATE INDEX i");
    assert_eq!(postgres("CREATE OR REPLACE FUNCTION f() RETURNS int AS $$ select 1 $$"), "CREATE FUNCTION f");
    assert_eq!(postgres("ALTER TABLE ONLY a.orders ADD x int"), "ALTER TABLE a.orders");
    assert_eq!(postgres("DROP MATERIALIZED VIEW v"), "DROP VIEW v");
    assert_eq!(postgres("ALTER ROLE bob PASSWORD 'hunter2'"), "ALTER ROLE");
    assert_eq!(mysql("CREATE DEFINER=`root`@`%` PROCEDURE p() SELECT 1"), "CREATE PROCEDURE p");
    assert_eq!(mysql("CREATE USER 'bob'@'%' IDENTIFIED BY 'hunter2'"), "CREATE USER");
}

#[test]
fn subselects_and_common_tables_are_followed_to_a_table() {
    assert_eq!(postgres("SELECT (SELECT max(a) FROM x), b FROM orders"), "SELECT orders");
    assert_eq!(postgres("SELECT * FROM (SELECT * FROM (orders JOIN b ON true)) s"), "SELECT orders");
    assert_eq!(postgres("SELECT extract(year FROM t) FROM orders"), "SELECT orders");
    assert_eq!(postgres("SELECT a IS DISTINCT FROM b FROM orders"), "SELECT orders");
    assert_eq!(postgres("(SELECT a FROM orders) UNION SELECT 1"), "SELECT orders");
    assert_eq!(postgres("SELECT * FROM generate_series(1, 3)"), "SELECT generate_series");
    assert_eq!(postgres("INSERT INTO a SELECT * FROM b"), "INSERT a");
    assert_eq!(
        postgres("WITH RECURSIVE t(a) AS (SELECT a FROM nodes UNION SELECT a FROM t) SELECT * FROM t"),
        "SELECT nodes"
    );
    assert_eq!(
        postgres("WITH a AS (SELECT ')' FROM x), b AS NOT MATERIALIZED (SELECT 1 FROM a) SELECT * FROM b"),
        "SELECT x"
    );
    assert_eq!(postgres("WITH m AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM m"), "INSERT b");
    assert_eq!(postgres("WITH a AS (SELECT 1) UPDATE orders SET b = 2"), "UPDATE orders");
    assert_eq!(postgres("COPY (SELECT * FROM orders) TO STDOUT"), "COPY orders");
    assert_eq!(postgres("EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM orders"), "EXPLAIN SELECT orders");
    assert_eq!(postgres("DECLARE c CURSOR FOR SELECT * FROM orders"), "DECLARE SELECT orders");
}

#[test]
fn comments_and_what_prepares_a_statement_are_passed_over() {
    assert_eq!(postgres("/* app='a FROM b' */ SELECT * -- FROM c\n FROM orders"), "SELECT orders");
    assert_eq!(mysql("# x\nSELECT /*! STRAIGHT_JOIN */ * FROM orders"), "SELECT orders");
    assert_eq!(mysql("/*!40101 SET NAMES utf8 */;"), "SET");
    assert_eq!(postgres("BEGIN; SET LOCAL x = 'y'; UPDATE orders SET a = 1; COMMIT"), "UPDATE orders");
    assert_eq!(postgres("START TRANSACTION READ ONLY"), "START");
    assert_eq!(postgres("SELECT 1; SELECT * FROM orders"), "SELECT");
}

#[test]
fn nothing_is_taken_for_a_name_behind_a_literal_that_may_end_elsewhere() {
    assert_eq!(postgres("SELECT 'a\\' FROM secret, ' FROM orders"), "SELECT");
    assert_eq!(mysql("SELECT \"a\\\" FROM secret, \" FROM orders"), "SELECT");
    assert_eq!(mysql("SELECT 'a FROM secret"), "SELECT");
    assert_eq!(mysql("SELECT * FROM orders WHERE a = 'it\\'s'"), "SELECT orders");
}

#[test]
fn a_statement_needs_no_more_text_than_up_to_its_table_and_is_cut_where_it_is_long() {
    let part = |text: &str| operation(text.as_bytes(), false, Dialect::Postgres).map(|said| said.as_str().to_owned());
    assert_eq!(part("SELECT * FROM orders WHERE a = 'abc"), Some("SELECT orders".into()));
    assert_eq!(part("SELECT * FROM order"), None);
    assert_eq!(part(&format!("SELECT {}", "a, ".repeat(STATEMENT_BYTES))), Some("SELECT".into()));
    assert_eq!(part(&"(".repeat(STATEMENT_BYTES + 1)), Some("?".into()));
    let deep = "SELECT * FROM (".repeat(100);
    assert_eq!(postgres(&deep), "SELECT");
}

proptest! {
    #[test]
    fn more_text_changes_nothing_that_was_said(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "SELECT", "WITH", "FROM", "(", ")", " ", "orders", "AS", ",", ";", "'a'", "'", "\\", "\"b\"", "INSERT INTO",
                "EXPLAIN", "BEGIN", "CREATE", "TABLE", "/*", "*/", "--", "\n", ".", "$$", "COPY", "`c`", "#",
            ]),
            0..24,
        ),
        end in 0..60_usize,
    ) {
        let text = parts.join(if end % 2 == 0 { " " } else { "" });
        for dialect in [Dialect::Postgres, Dialect::MySql] {
            let all = operation(text.as_bytes(), true, dialect);
            prop_assert!(all.is_some());
            let some = operation(text.as_bytes().get(..end).unwrap_or(text.as_bytes()), false, dialect);
            prop_assert!(some.is_none() || some == all, "{text}: {some:?} {all:?}");
        }
    }
}
