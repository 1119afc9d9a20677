package io.dpioperator.hapi;

import java.lang.management.ManagementFactory;
import javax.sql.DataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * The HTTP server and the Spring context behind it.
 *
 * <p>The port answers health requests from the first second, long before FHIR is served, so that whoever waits can tell
 * starting from broken.
 */
final class FhirServer {

    private static final Logger log = LoggerFactory.getLogger(FhirServer.class);
    private static final int MAX_THREADS = 50;
    private static final int STOP_MILLIS = 8_000;

    private final Settings settings;
    private final AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext();
    private final Readiness readiness = new Readiness();
    private final Server http = new Server(new QueuedThreadPool(MAX_THREADS));
    private final ServletContextHandler servlets = new ServletContextHandler("/");

    FhirServer(Settings settings) {
        this.settings = settings;
        ServerConnector connector = new ServerConnector(http);
        connector.setPort(settings.port());
        http.addConnector(connector);
        servlets.addServlet(new ServletHolder(new HealthServlet(() -> true)), "/livez");
        servlets.addServlet(new ServletHolder(new HealthServlet(readiness)), "/readyz");
        http.setHandler(new GracefulHandler(servlets));
        http.setStopTimeout(STOP_MILLIS);
    }

    /** Returns once FHIR is served; the server's threads keep the process alive. */
    void start() throws Exception {
        http.start();
        context.registerBean(Settings.class, () -> settings);
        context.register(FhirConfiguration.class, DatabaseConfiguration.class);
        context.refresh();
        context.getBean(Schema.class).markCurrent();
        ServletHolder fhir = new ServletHolder("fhir", new FhirServlet(context, settings));
        servlets.addServlet(fhir, "/fhir/*");
        fhir.start();
        fhir.initialize();
        readiness.serve(context.getBean(DataSource.class));
        log.info(
                "Serving FHIR R4 on port {} after {} ms",
                settings.port(),
                ManagementFactory.getRuntimeMXBean().getUptime());
    }

    /** Refuses new requests, finishes running ones, and closes the database connections. */
    void stop() {
        try {
            http.stop();
        } catch (Exception e) {
            log.warn("The HTTP server did not stop cleanly", e);
        }
        context.close();
    }
}
