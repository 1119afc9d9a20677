package io.dpioperator.ehrbase;

/** Says in one line why the server cannot start and what to do about it. */
class PreparationException extends Exception {

    private static final long serialVersionUID = 1L;

    PreparationException(String message) {
        super(message);
    }
}
