package io.dpioperator.ehrbase;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.actuate.autoconfigure.security.servlet.ManagementWebSecurityAutoConfiguration;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.r2dbc.R2dbcAutoConfiguration;
import org.springframework.boot.autoconfigure.security.servlet.SecurityAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.ImportSelector;
import org.springframework.core.type.AnnotationMetadata;

/**
 * Starts the EHRbase server from its libraries.
 *
 * <p>EHRbase brings its own web security, so Spring's must stay out of the way; R2DBC is on the class path but unused.
 */
@SpringBootApplication(
        exclude = {
            ManagementWebSecurityAutoConfiguration.class,
            SecurityAutoConfiguration.class,
            R2dbcAutoConfiguration.class
        })
@Import(Launcher.Server.class)
public class Launcher {

    /** Names the server's configuration as text: its class files are of Java 21, which a Java 17 compiler cannot read. */
    static class Server implements ImportSelector {
        @Override
        public String[] selectImports(AnnotationMetadata importing) {
            return new String[] {"org.ehrbase.configuration.EhrBaseServerConfiguration"};
        }
    }

    public static void main(String[] arguments) {
        try {
            Settings settings = Settings.from(System.getenv());
            new DatabasePreparation(settings).run();
        } catch (PreparationException e) {
            System.err.println("ehrbase: " + e.getMessage());
            System.exit(64);
        }
        new SpringApplicationBuilder(Launcher.class)
                .web(WebApplicationType.SERVLET)
                .run(arguments);
    }
}
