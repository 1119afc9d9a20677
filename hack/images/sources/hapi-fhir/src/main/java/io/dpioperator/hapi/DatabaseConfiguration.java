package io.dpioperator.hapi;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirPostgresDialect;
import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.Properties;
import javax.sql.DataSource;
import org.hibernate.cfg.AvailableSettings;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/** The PostgreSQL connection and the object-relational mapping over it. */
@Configuration
class DatabaseConfiguration {

    private static final int MAX_CONNECTIONS = 10;

    /** How long a database that is not there yet is waited for. */
    private static final long PATIENCE_MILLIS = 120_000;

    /** Short, because a stop waits for every thread that waits for a connection. */
    private static final long CONNECTION_MILLIS = 5_000;

    @Bean(destroyMethod = "close")
    HikariDataSource dataSource(Settings settings) {
        HikariDataSource source = new HikariDataSource();
        source.setJdbcUrl(settings.databaseUrl());
        source.setUsername(settings.databaseUser());
        source.setPassword(settings.databasePassword());
        source.setMaximumPoolSize(MAX_CONNECTIONS);
        source.setMinimumIdle(2);
        source.setConnectionTimeout(CONNECTION_MILLIS);
        source.setInitializationFailTimeout(PATIENCE_MILLIS);
        return source;
    }

    @Bean
    Schema schema(DataSource source) {
        return new Schema(source);
    }

    @Bean
    LocalContainerEntityManagerFactoryBean entityManagerFactory(
            DataSource source,
            Schema schema,
            ConfigurableListableBeanFactory beans,
            FhirContext fhir,
            JpaStorageSettings storage)
            throws SQLException {
        LocalContainerEntityManagerFactoryBean factory =
                HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, storage);
        factory.setPersistenceUnitName("HAPI_PU");
        factory.setDataSource(source);
        factory.setJpaProperties(mapping(schema.isCurrent() ? "none" : "update"));
        return factory;
    }

    private static Properties mapping(String schemaAction) {
        Properties properties = new Properties();
        properties.put(AvailableSettings.DIALECT, HapiFhirPostgresDialect.class.getName());
        properties.put(AvailableSettings.HBM2DDL_AUTO, schemaAction);
        properties.put(AvailableSettings.STATEMENT_BATCH_SIZE, "20");
        properties.put(AvailableSettings.USE_QUERY_CACHE, "false");
        properties.put(AvailableSettings.USE_SECOND_LEVEL_CACHE, "false");
        properties.put("hibernate.search.enabled", "false");
        return properties;
    }

    @Bean
    @Primary
    JpaTransactionManager transactionManager(EntityManagerFactory factory) {
        return new JpaTransactionManager(factory);
    }
}
