#!/usr/bin/perl

# A mail server that is slow, hangs, or sends a byte a second; one without TLS, of
# another's or under another name: no page waits for it, a mail has half a minute,
# and none goes where it cannot be said who reads it.

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Outbox;
use Portal::Place qw(slurp);
use Portal::Test;

my $p = portal();

sub logins { return scalar(my @lines = split /^/, slurp($p->dir . '/smtp/logins') // '') }

### slow

{
    my $to = address();
    $p->mail_fault('slow 6');
    my $id = queue_mail($to);
    wait_for(20, sub { row($id)->{state} eq 'sending' });
    pages_go_on($id, 'a slow server');
    becomes($id, 'sent', 'a slow server: sent');
    is scalar(received($to)), 1, 'a slow server: once';
    $p->mail_fault(undef);
}
{
    my $to = address();
    kill 'STOP', $p->smtp_pid;
    my $id = queue_mail($to);
    wait_for(20, sub { row($id)->{state} eq 'sending' });
    my ($person, $page) = sign_up(client());
    is $page->status, 303, 'a server that hangs: one may sign up';
    pages_go_on($id, 'a server that hangs');
    kill 'CONT', $p->smtp_pid;
    becomes($id, 'sent', 'a server that hangs: sent when it goes on');
    is scalar(received($to)), 1, 'a server that hangs: once';
    ok mail_to($person->{email}), 'and the sign-up\'s mail';
}
{
    # never silent and never done: only a limit on all of it ends that
    $p->mail_fault('drip');
    $p->stop_mail;
    $p->start_mail;
    my $to = address();
    my $id = queue_mail($to);
    wait_for(20, sub { row($id)->{state} eq 'sending' });
    pages_go_on($id, 'a byte a second');
    becomes($id, 'queued', 'a byte a second: ended, to be tried again', attempts => 1, detail => qr/^timeout$/,
        seconds => 100);
    is scalar(log_lines(qr/no mail goes out by "smtp:\S+": it does not answer in time; mails wait/)), 1,
        'a byte a second: said once';
    $p->mail_fault(undef);
    due();
    becomes($id, 'sent', 'a byte a second: sent once that is over', seconds => 100);
    is scalar(received($to)), 1, 'a byte a second: once';
}

### by whom

my $url = "smtp://localhost:$p->{smtp_port}";
my $user = "user=portail password_file=$p->{dir}/smtp_password";
my $why = qr/no mail goes out by "\Q$url\E": it offers no TLS, or its certificate is not one of "ca="/;

{
    my $other = $p->dir . '/other';
    mkdir $other;
    $p->_certificate($other);
    my $before = logins();
    my ($id, $to) = kept('another\'s certificate', "$url $user ca=$other/ca.pem", qr/^tls$/, $why);
    is logins(), $before, 'another\'s certificate: nor the password';
    mail_by();
    due();
    becomes($id, 'sent', 'another\'s certificate: sent once it is the right one');
    is scalar(received($to)), 1, 'once';
}
{
    # the right authority, but not that name
    $p->mail_certificate('smtp.autre.example');
    my $before = logins();
    my ($id, $to) = kept('another name', undef, qr/^tls$/, $why);
    is logins(), $before, 'another name: nor the password';
    $p->mail_certificate('localhost');
    due();
    becomes($id, 'sent', 'another name: sent under its own', seconds => 100);
    is scalar(received($to)), 1, 'once';
}
{
    # STARTTLS is taken out on the way
    $p->mail_fault('plain');
    my $before = logins();
    my ($id, $to) = kept('no STARTTLS', undef, qr/^tls$/, $why);
    is logins(), $before, 'no STARTTLS: nor the password';
    $p->mail_fault(undef);
    due();
    becomes($id, 'sent', 'no STARTTLS: sent once it is there', seconds => 100);
    my ($mail) = received($to);
    like $mail->{headers}{'x-tls'}, qr/^TLS/, 'by TLS';
}
is scalar(grep { /none/ } split /^/, slurp($p->dir . '/smtp/logins')), 0, 'nobody has ever logged in without';

done_testing;
