package io.dpioperator.hapi;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.function.BooleanSupplier;
import javax.sql.DataSource;

/** Holds once FHIR is served and for as long as the database answers. */
final class Readiness implements BooleanSupplier {

    private static final int ANSWER_SECONDS = 2;

    private volatile DataSource database;

    void serve(DataSource database) {
        this.database = database;
    }

    @Override
    public boolean getAsBoolean() {
        DataSource current = database;
        if (current == null) {
            return false;
        }
        try (Connection connection = current.getConnection()) {
            return connection.isValid(ANSWER_SECONDS);
        } catch (SQLException e) {
            return false;
        }
    }
}
