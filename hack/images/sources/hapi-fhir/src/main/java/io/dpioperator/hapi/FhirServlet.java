package io.dpioperator.hapi;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.rest.server.HardcodedServerAddressStrategy;
import ca.uhn.fhir.rest.server.IncomingRequestAddressStrategy;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import org.springframework.context.ApplicationContext;

/** The FHIR REST interface over the beans of the Spring context. */
final class FhirServlet extends RestfulServer {

    private static final long serialVersionUID = 1L;

    private final transient ApplicationContext beans;
    private final transient Settings settings;

    FhirServlet(ApplicationContext beans, Settings settings) {
        super(beans.getBean(FhirContext.class));
        this.beans = beans;
        this.settings = settings;
    }

    @Override
    protected void initialize() {
        registerProviders(beans.getBean("myResourceProvidersR4", ResourceProviderFactory.class)
                .createProviders());
        registerProvider(beans.getBean("mySystemProviderR4"));
        setServerConformanceProvider(new JpaCapabilityStatementProvider(
                this,
                beans.getBean("mySystemDaoR4", IFhirSystemDao.class),
                beans.getBean(JpaStorageSettings.class),
                beans.getBean(ISearchParamRegistry.class),
                beans.getBean("myJpaValidationSupportChain", IValidationSupport.class)));
        setPagingProvider(beans.getBean(DatabaseBackedPagingProvider.class));
        setServerAddressStrategy(
                settings.serverAddress() == null
                        ? new IncomingRequestAddressStrategy()
                        : new HardcodedServerAddressStrategy(settings.serverAddress()));
    }
}
