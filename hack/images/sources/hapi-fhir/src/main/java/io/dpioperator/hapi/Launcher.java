package io.dpioperator.hapi;

import io.dpioperator.hapi.Settings.SettingsException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Starts a FHIR R4 server on PostgreSQL from the HAPI FHIR libraries. */
public final class Launcher {

    private static final Logger log = LoggerFactory.getLogger(Launcher.class);

    private Launcher() {}

    public static void main(String[] arguments) {
        try {
            start(Settings.from(System.getenv()));
        } catch (SettingsException e) {
            System.err.println("hapi-fhir: " + e.getMessage());
            System.exit(64);
        } catch (Exception e) {
            log.error("The server cannot start", e);
            System.exit(1);
        }
    }

    private static void start(Settings settings) throws Exception {
        FhirServer server = new FhirServer(settings);
        Runtime.getRuntime().addShutdownHook(new Thread(server::stop, "shutdown"));
        server.start();
    }
}
