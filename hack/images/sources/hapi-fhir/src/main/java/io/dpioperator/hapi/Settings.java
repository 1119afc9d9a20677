package io.dpioperator.hapi;

import java.util.Map;

/**
 * What the environment says.
 *
 * @param databaseUrl JDBC address of the PostgreSQL database
 * @param databaseUser role that owns the database
 * @param databasePassword password of that role
 * @param port port to serve on
 * @param serverAddress base address in links, or null to take it from each request
 */
record Settings(String databaseUrl, String databaseUser, String databasePassword, int port, String serverAddress) {

    private static final String DEFAULT_PORT = "8080";

    static Settings from(Map<String, String> environment) throws SettingsException {
        return new Settings(
                required(environment, "SPRING_DATASOURCE_URL"),
                required(environment, "SPRING_DATASOURCE_USERNAME"),
                required(environment, "SPRING_DATASOURCE_PASSWORD"),
                port(environment.getOrDefault("SERVER_PORT", DEFAULT_PORT)),
                environment.get("HAPI_FHIR_SERVER_ADDRESS"));
    }

    private static String required(Map<String, String> environment, String name) throws SettingsException {
        String value = environment.get(name);
        if (value == null || value.isBlank()) {
            throw new SettingsException("set the environment variable " + name);
        }
        return value;
    }

    private static int port(String text) throws SettingsException {
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw new SettingsException("SERVER_PORT is not a number: " + text);
        }
    }

    /** Says in one line which setting is wrong and what it should be. */
    static class SettingsException extends Exception {
        private static final long serialVersionUID = 1L;

        SettingsException(String message) {
            super(message);
        }
    }
}
