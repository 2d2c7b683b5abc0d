/* SQLite in a program: statements by every way to prepare one, counted by SQLite's own tracing; or steps as fast as they go.
 *
 * sqlite_calls FILE statements|STEPS: says `ready`, waits for a line, and says what it did. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long selects, inserts, others, rows, failed;

static int traced(unsigned what, void *context, void *statement, void *text) {
    (void)what, (void)context, (void)statement;
    /* Statements within others begin as comments. */
    if (strncmp(text, "--", 2) != 0) {
        long *of = strncmp(text, "SELECT", 6) == 0 ? &selects : strncmp(text, "INSERT", 6) == 0 ? &inserts : &others;
        (*of)++;
    }
    return 0;
}

static int row(void *context, int count, char **values, char **names) {
    (void)context, (void)count, (void)values, (void)names;
    rows++;
    return 0;
}

/* A function of SQL that asks the database itself. */
static void asks(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count, (void)values;
    sqlite3_stmt *inner;
    sqlite3_prepare_v2(sqlite3_context_db_handle(context), "SELECT 7", -1, &inner, NULL);
    sqlite3_step(inner);
    sqlite3_result_int(context, sqlite3_column_int(inner, 0));
    sqlite3_finalize(inner);
}

static void run(sqlite3_stmt *statement) {
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) rows++;
    failed += result != SQLITE_DONE;
    sqlite3_finalize(statement);
}

static void statements(const char *file) {
    sqlite3 *db, *other;
    sqlite3_stmt *statement;
    if (sqlite3_open(file, &db) != SQLITE_OK || sqlite3_open_v2(file, &other, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) exit(1);
    sqlite3_trace_v2(db, SQLITE_TRACE_STMT, traced, NULL);
    sqlite3_create_function(db, "asks", 0, SQLITE_UTF8, NULL, asks, NULL, NULL);
    sqlite3_exec(db, "CREATE TABLE cards (id INTEGER PRIMARY KEY, pin TEXT); BEGIN;"
                     "INSERT INTO cards VALUES (1, 'pl4nted'), (2, 'b'); COMMIT; SELECT * FROM cards", row, NULL, NULL);
    sqlite3_prepare(db, "SELECT id FROM cards; SELECT nothing", 20, &statement, NULL);
    run(statement);
    sqlite3_prepare(db, "INSERT INTO cards VALUES (1, 'again')", -1, &statement, NULL);
    run(statement);
    sqlite3_prepare_v3(db, "INSERT INTO cards VALUES (?, 'pl4nted')", -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    for (int id = 10; id < 60; id++) {
        sqlite3_bind_int(statement, 1, id);
        failed += sqlite3_step(statement) != SQLITE_DONE;
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    static const unsigned short wide[] = {'S', 'E', 'L', 'E', 'C', 'T', ' ', '1', ' ', 'F', 'R', 'O', 'M', ' ',
                                          'c', 'a', 'r', 'd', 's', 0};
    sqlite3_prepare16(db, wide, -1, &statement, NULL);
    run(statement);
    sqlite3_prepare_v2(db, "SELECT asks()", -1, &statement, NULL);
    run(statement);
    /* Given up after two rows. */
    sqlite3_prepare_v2(db, "SELECT pin FROM cards", -1, &statement, NULL);
    for (int step = 0; step < 2; step++) rows += sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_reset(statement), sqlite3_finalize(statement);
    /* Refused: a statement is left. */
    sqlite3_prepare_v2(other, "SELECT 1", -1, &statement, NULL);
    int refused = sqlite3_close(other) == SQLITE_BUSY;
    sqlite3_finalize(statement);
    printf("{\"SELECT\": %ld, \"INSERT\": %ld, \"others\": %ld, \"rows\": %ld, \"failed\": %ld, \"refused\": %d}\n",
           selects, inserts, others, rows, failed, refused);
    fflush(stdout);
    getchar();
    sqlite3_close(other), sqlite3_close_v2(db);
}

static void steps(const char *file, long count) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    struct timespec begun, ended;
    if (sqlite3_open(file, &db) != SQLITE_OK) exit(1);
    sqlite3_prepare_v2(db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c", -1, &statement, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    for (long step = 0; step < count; step++) sqlite3_step(statement);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    sqlite3_finalize(statement), sqlite3_close(db);
    printf("%.1f ns a step\n", ((ended.tv_sec - begun.tv_sec) * 1e9 + (ended.tv_nsec - begun.tv_nsec)) / count);
    fflush(stdout);
}

int main(int count, char **words) {
    char line[16];
    if (count != 3) return 2;
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return 3;
    if (strcmp(words[2], "statements") == 0) statements(words[1]);
    else steps(words[1], atol(words[2]));
    puts("done");
    return 0;
}
