/* commands: what the command line does without a daemon. argv[0] is the command; returns the exit code. */
#ifndef KRIGED_CLI_COMMANDS_H
#define KRIGED_CLI_COMMANDS_H

int kr_command_tune(int argc, char **argv);
int kr_command_gradient(int argc, char **argv);
int kr_command_predict(int argc, char **argv);

#endif
