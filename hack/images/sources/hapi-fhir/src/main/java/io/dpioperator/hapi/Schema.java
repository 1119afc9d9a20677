package io.dpioperator.hapi;

import ca.uhn.fhir.util.VersionUtil;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/**
 * Remembers in the database which version of HAPI brought its tables up to date.
 *
 * <p>Comparing every table with its mapping takes a good part of a start, and between two starts of one version there is
 * nothing to find. The note is written after the work is done, so a start that was cut short does it again.
 */
final class Schema {

    private static final String TABLE = "hfj_resource";

    private final DataSource database;
    private final String note = "Schema of HAPI FHIR " + VersionUtil.getVersion();

    Schema(DataSource database) {
        this.database = database;
    }

    boolean isCurrent() throws SQLException {
        try (Connection connection = database.getConnection();
                Statement statement = connection.createStatement();
                ResultSet found =
                        statement.executeQuery("SELECT obj_description(to_regclass('" + TABLE + "'), 'pg_class')")) {
            return found.next() && note.equals(found.getString(1));
        }
    }

    void markCurrent() throws SQLException {
        try (Connection connection = database.getConnection();
                Statement statement = connection.createStatement()) {
            statement.execute("COMMENT ON TABLE " + TABLE + " IS " + statement.enquoteLiteral(note));
        }
    }
}
