package io.dpioperator.ehrbase;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;

/**
 * Makes an empty database into one that EHRbase can migrate: its schemas, the extension, and the settings its queries
 * rely on. All of it is idempotent, and replicas that start together take turns.
 */
class DatabasePreparation {

    private static final Duration PATIENCE = Duration.ofMinutes(2);

    /** SQLSTATE class of connections that could not be made, against logins that were refused. */
    private static final String CONNECTION_FAILED = "08";

    /** SQLSTATE of a server that is still starting. */
    private static final String NOT_YET = "57P03";

    private static final String[] STATEMENTS = {
        "SELECT pg_advisory_xact_lock(hashtext('ehrbase preparation'))",
        "CREATE SCHEMA IF NOT EXISTS ehr",
        "CREATE SCHEMA IF NOT EXISTS ext",
        "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA ext",
        "DO $$ BEGIN"
                + " EXECUTE format('ALTER DATABASE %I SET search_path TO ext', current_database());"
                + " EXECUTE format('ALTER DATABASE %I SET intervalstyle TO iso_8601', current_database());"
                + " END $$",
    };

    private final Settings settings;

    DatabasePreparation(Settings settings) {
        this.settings = settings;
    }

    void run() throws PreparationException {
        try (Connection connection = connect();
                Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            for (String sql : STATEMENTS) {
                statement.execute(sql);
            }
            if (!settings.user().equals(settings.owner())) {
                grant(statement);
            }
            connection.commit();
        } catch (SQLException e) {
            throw new PreparationException("cannot prepare the database as role " + settings.owner()
                    + ", which must own it: " + e.getMessage());
        }
    }

    /** Lets the restricted role use what the owner creates, now and later. */
    private void grant(Statement statement) throws SQLException {
        String role = statement.enquoteIdentifier(settings.user(), true);
        for (String schema : new String[] {"ehr", "ext"}) {
            statement.execute("GRANT USAGE ON SCHEMA " + schema + " TO " + role);
            for (String kind : new String[] {"TABLES", "SEQUENCES", "FUNCTIONS"}) {
                statement.execute("GRANT ALL ON ALL " + kind + " IN SCHEMA " + schema + " TO " + role);
                statement.execute(
                        "ALTER DEFAULT PRIVILEGES IN SCHEMA " + schema + " GRANT ALL ON " + kind + " TO " + role);
            }
        }
    }

    /** Waits for a database that is not there yet; anything else it says about the login is final. */
    private Connection connect() throws SQLException, PreparationException {
        Instant deadline = Instant.now().plus(PATIENCE);
        while (true) {
            try {
                return DriverManager.getConnection(settings.url(), settings.owner(), settings.ownerPassword());
            } catch (SQLException e) {
                if (!mayPass(e) || Instant.now().isAfter(deadline)) {
                    throw e;
                }
                System.err.println("ehrbase: waiting for the database: " + e.getMessage());
                pause();
            }
        }
    }

    private static boolean mayPass(SQLException e) {
        String state = e.getSQLState();
        return state != null && (state.startsWith(CONNECTION_FAILED) || state.equals(NOT_YET));
    }

    private static void pause() throws PreparationException {
        try {
            Thread.sleep(1000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new PreparationException("stopped while waiting for the database");
        }
    }
}
