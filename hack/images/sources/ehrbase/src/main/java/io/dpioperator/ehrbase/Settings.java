package io.dpioperator.ehrbase;

import java.util.List;
import java.util.Map;

/**
 * The part of the environment that has to be right before Spring starts.
 *
 * @param url JDBC address of the database
 * @param user role the server works as
 * @param owner role that owns the database and migrates it
 * @param ownerPassword password of that role
 */
record Settings(String url, String user, String owner, String ownerPassword) {

    static Settings from(Map<String, String> environment) throws PreparationException {
        requireAuthentication(environment);
        String user = required(environment, "SPRING_DATASOURCE_USERNAME");
        String password = required(environment, "SPRING_DATASOURCE_PASSWORD");
        return new Settings(
                required(environment, "SPRING_DATASOURCE_URL"),
                user,
                environment.getOrDefault("SPRING_FLYWAY_USER", user),
                environment.getOrDefault("SPRING_FLYWAY_PASSWORD", password));
    }

    /** The libraries come with well-known default passwords, so nothing may be left to default. */
    private static void requireAuthentication(Map<String, String> environment) throws PreparationException {
        String type = required(environment, "SECURITY_AUTHTYPE");
        List<String> needed =
                switch (type) {
                    case "NONE" -> List.of();
                    case "OAUTH" -> List.of("SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_ISSUERURI");
                    case "BASIC" -> List.of(
                            "SECURITY_AUTHUSER",
                            "SECURITY_AUTHPASSWORD",
                            "SECURITY_AUTHADMINUSER",
                            "SECURITY_AUTHADMINPASSWORD");
                    default -> throw new PreparationException("set SECURITY_AUTHTYPE to OAUTH, BASIC or NONE");
                };
        for (String name : needed) {
            required(environment, name);
        }
    }

    private static String required(Map<String, String> environment, String name) throws PreparationException {
        String value = environment.get(name);
        if (value == null || value.isBlank()) {
            throw new PreparationException("set the environment variable " + name);
        }
        return value;
    }
}
